"""``stages/release.json``: which release made a project's files, and what they were, so that edits are known later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fer_au.errors import ConfigError
from fer_au.gate import read_json
from fer_au.version import __version__

RECORD = "stages/release.json"


@dataclass(frozen=True)
class Record:
    """What made a project's files.

    Attributes:
        release: Version of fer_au.
        files: Path below the project -> sha256 of its content as that release wrote it.
    """

    release: str
    files: Mapping[str, str] = field(default_factory=dict)


def record_text(files: Mapping[str, bytes]) -> bytes:
    """Write the record of files that this release makes."""
    digests = {path: content_hash(content) for path, content in files.items()}
    return (json.dumps({"fer_au": __version__, "files": digests}, indent=1, sort_keys=True) + "\n").encode()


def read_record(project: Path) -> Record:
    """Read a project's record.

    Raises:
        ConfigError: There is none, or it isn't one.
    """
    path = project / RECORD
    try:
        found = read_json(path)
        if outside := [name for name in found["files"] if Path(name).is_absolute() or ".." in Path(name).parts]:
            raise ValueError(f"{outside[0]} lies outside of the project")
        return Record(str(found["fer_au"]), {str(name): str(digest) for name, digest in found["files"].items()})
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; was this project made by `fer-au init`?") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: isn't a record of `fer-au init` ({error})") from error


def content_hash(content: bytes) -> str:
    """Hash the content of a file as texts are kept by git: alike with either end of lines; 64 hexadecimal digits."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()

"""Fingerprints: one sha256 of everything that decides an operation's result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path


def fingerprint(name: str, version: int, options: Mapping[str, object] | None = None) -> str:
    """Hash an operation's identity.

    Args:
        name: The operation, such as ``"landmarks/dlib68"``.
        version: Raised by hand whenever the code changes what it computes.
        options: JSON-serialisable options: parameters, weights' sha256, upstream content hashes.

    Returns:
        64 hexadecimal digits, the same on every machine.
    """
    text = json.dumps([name, version, dict(options or {})], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Hash the bytes of a file.

    Returns:
        Their sha256, 64 hexadecimal digits.

    Raises:
        OSError: The file can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Which adapter fits a folder: a quick look at names, for messages about a wrong one and for ``fer-au check-data``."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from fer_au.datasets.base import create_adapter, list_adapters
from fer_au.datasets.files import CLIP_SUFFIXES, PICTURE_SUFFIXES
from fer_au.errors import FerAuError

_LOOKED_AT = 20_000  # files and folders
_SAMPLE = 300  # pictures


def sample_pictures(root: Path) -> list[str]:
    """List some pictures below a folder, as POSIX paths: the first ones of a walk that ends soon."""
    return list(islice(_pictures(root), _SAMPLE))


def mostly_clips(root: Path) -> bool:
    """Tell whether a folder holds more clips than pictures, as far as a walk goes that ends soon."""
    clips = sum(1 for _ in islice(_named(root, CLIP_SUFFIXES), _SAMPLE))
    return clips > len(sample_pictures(root))


def _pictures(root: Path) -> Iterator[str]:
    yield from _named(root, PICTURE_SUFFIXES)


def _named(root: Path, suffixes: Collection[str]) -> Iterator[str]:
    """List the files of some suffixes."""
    seen = 0
    for above, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes:  # noqa: PTH122 (quick)
                yield Path(above, name).relative_to(root).as_posix()
        seen += len(folders) + len(files)
        if seen > _LOOKED_AT:
            return


def fitting_adapters(root: Path) -> list[str]:
    """List the adapters whose layout a folder looks like, sorted; none where it can't be read.

    Args:
        root: Root of a data set.
    """
    found = []
    for name in list_adapters():
        try:
            if create_adapter(name).recognises(root):
                found.append(name)
        except (OSError, FerAuError):
            continue
    return found


def fitting_text(root: Path, adapter: str) -> str:
    """Say which other adapters fit a folder, as the end of a message; empty if none does."""
    others = [name for name in fitting_adapters(root) if name != adapter]
    return f"; it looks like adapter {' or '.join(others)}" if others else ""

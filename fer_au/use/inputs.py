"""Pictures that a command line names: files, folders with all below them, and patterns such as ``a/*.jpg``."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_au.datasets.files import FOLDER_LINK, list_pictures
from fer_au.errors import DataError
from fer_au.rejects import Reason

_LINK = "a link to a folder; name it as a PATH of its own"


@dataclass(frozen=True)
class Source:
    """A picture to classify.

    Attributes:
        path: Path of the file, as the user would open it.
        reason: Reason why it can't be a picture, known before it is opened; empty if there is none.
        detail: Explanation for people.
    """

    path: str
    reason: str = ""
    detail: str = ""


def find_sources(words: Sequence[str]) -> tuple[list[Source], list[str]]:
    """Find the pictures that a user means, each once: in the order of the words, sorted within a folder or pattern.

    Args:
        words: Paths of files and folders, and patterns as shells know them, ``**`` for any depth included.

    Returns:
        Pictures, and lines about files of folders that are none. A file that is named is always taken for a picture.

    Raises:
        DataError: A word names nothing, or a folder without pictures.
    """
    found: dict[str, Source] = {}
    notes: list[str] = []
    for word in words:
        paths = [word]
        if not os.path.lexists(word) and glob.has_magic(word):
            paths = sorted(glob.glob(word, recursive=True))  # noqa: PTH207 (paths as they were typed)
        here = [source for path in paths for source in _below(path, notes)]
        if not here:
            raise DataError(f"{word}: {'no pictures below this folder' if paths == [word] else 'no picture matches'}")
        for source in here:
            found.setdefault(os.path.abspath(source.path), source)  # noqa: PTH100 (links stay)
    return list(found.values()), notes


def _below(path: str, notes: list[str]) -> Iterator[Source]:
    """List a file, or the pictures below a folder."""
    if not os.path.lexists(path):
        raise DataError(f"{path}: no such file or folder")
    folder = Path(path)
    if not folder.is_dir():
        yield Source(path)
        return
    listing = list_pictures(folder)
    notes += listing.notes(folder)
    taken = [Source(str(folder / name)) for name in listing.pictures]
    refused = [
        Source(str(folder / one.id), one.reason.value, _LINK if one.detail == FOLDER_LINK else one.detail)
        for one in listing.rejects
    ]
    yield from sorted(taken + refused, key=lambda source: source.path)


def stamp_of(source: Source) -> tuple[object, ...]:
    """Give what tells whether a picture is the one that it was: its path, size and time of change."""
    try:
        state = os.stat(source.path)  # noqa: PTH116 (many)
    except (OSError, ValueError):
        return (source.path, source.reason, Reason.MISSING_FILE.value)
    return (source.path, source.reason, state.st_size, state.st_mtime_ns)

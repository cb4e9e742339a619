"""Files of the same bytes among many, without reading all of each: by size, then by their ends, then by all bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from fer_au.compute import batched, map_ordered
from fer_au.datasets.files import resolve_below
from fer_au.gate import PICTURES, open_regular, read_bytes
from fer_au.rejects import Reason, Reject

_END = 4096  # bytes that are read of each end of a file
_BATCH = 512
KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(frozen=True)
class Files:
    """Files that are there.

    Attributes:
        content: Path of each file -> sha256 of its bytes, where another file may have the same; else a name of its own.
        size: Path -> bytes.
        rejects: Files that can't be opened.
    """

    content: Mapping[str, str]
    size: Mapping[str, int]
    rejects: tuple[Reject, ...]


def look_at_files(root: Path, paths: Sequence[str], label: str, *, follow_links: bool = False) -> Files:
    """Find which files are there, and which have the same bytes.

    Args:
        root: Root of the data set.
        paths: POSIX paths below it, each once.
        label: Name of the run in progress lines.
        follow_links: Whether they may be links that lead out of the root, see ``resolve_below``.
    """
    root = root.resolve()
    sizes = _map(_Size(root, follow_links), paths, f"{label}: sizes of files")
    size = {path: one for path, one in zip(paths, sizes, strict=True) if isinstance(one, int)}
    rejects = tuple(one for one in sizes if isinstance(one, Reject))
    alike = _shared(size)
    ends = dict(zip(alike, _map(_Hash(root, whole=False), alike, f"{label}: files of one size"), strict=True))
    alike = _shared({path: (size[path], end) for path, end in ends.items()})
    whole = dict(zip(alike, _map(_Hash(root, whole=True), alike, f"{label}: files that may be copies"), strict=True))
    content = {path: whole.get(path) or hashlib.sha256(path.encode()).hexdigest() for path in size}
    return Files(content, size, rejects)


def _shared(keys: Mapping[str, KeyT]) -> list[str]:
    """List the paths whose key another path has, too."""
    groups: dict[KeyT, list[str]] = defaultdict(list)
    for path, key in keys.items():
        groups[key].append(path)
    return sorted(path for group in groups.values() if len(group) > 1 for path in group)


ResultT = TypeVar("ResultT")


def _map(look: Callable[[Sequence[str]], list[ResultT]], paths: Sequence[str], label: str) -> list[ResultT]:
    batches = batched(paths, _BATCH)
    results = map_ordered(look, batches, label=label, weights=[len(batch) for batch in batches], threads=True)
    return [one for batch in results for one in batch]


@dataclass(frozen=True)
class _Size:
    """Finds files and their sizes."""

    root: Path
    follow_links: bool

    def __call__(self, paths: Sequence[str]) -> list[int | Reject]:
        inside: dict[str, bool] = {}
        return [self._plain(path, inside) or self._one(path) for path in paths]

    def _plain(self, path: str, inside: dict[str, bool]) -> int | None:
        """Give the size of a file that is no link, quickly; None for everything that needs a closer look."""
        above = path.rpartition("/")[0]
        if above not in inside:
            folder = self.root / above
            inside[above] = ".." not in PurePosixPath(above).parts and folder.resolve().is_relative_to(self.root)
        try:
            found = os.lstat(self.root / path) if inside[above] else None
        except (OSError, ValueError):
            return None
        return found.st_size if found is not None and stat.S_ISREG(found.st_mode) else None

    def _one(self, path: str) -> int | Reject:
        file = resolve_below(self.root, path, follow_links=self.follow_links)
        if isinstance(file, Reject):
            return file
        try:
            return file.stat().st_size
        except OSError as error:
            return Reject(path, Reason.UNREADABLE, error.strerror or str(error))


@dataclass(frozen=True)
class _Hash:
    """Hashes files, or their ends; one that can't be read is like no other."""

    root: Path
    whole: bool

    def __call__(self, paths: Sequence[str]) -> list[str]:
        return [self._one(path) for path in paths]

    def _one(self, path: str) -> str:
        try:
            data = read_bytes(self.root / path, PICTURES) if self.whole else _ends(self.root / path)
        except OSError:
            data = path.encode(errors="surrogateescape")
        return hashlib.sha256(data).hexdigest()


def _ends(path: Path) -> bytes:
    descriptor = open_regular(path)
    try:
        size = os.fstat(descriptor).st_size
        return os.pread(descriptor, _END, 0) + (os.pread(descriptor, _END, size - _END) if size > _END else b"")
    finally:
        os.close(descriptor)

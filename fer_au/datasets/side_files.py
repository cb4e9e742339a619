"""Small files beside pictures, one for each, as boxes and codes of some sets: read by several threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_au.compute import batched, map_ordered
from fer_au.datasets.files import resolve_below
from fer_au.gate import MB, read_bytes
from fer_au.rejects import Reason, Reject

_TOGETHER = 256
_MOST = MB  # bytes of one


@dataclass(frozen=True)
class _Read:
    root: Path
    follow_links: bool

    def __call__(self, paths: Sequence[str]) -> list[bytes | Reject]:
        return [self._one(path) for path in paths]

    def _one(self, path: str) -> bytes | Reject:
        file = resolve_below(self.root, path, follow_links=self.follow_links)
        if isinstance(file, Reject):
            return file
        try:
            return read_bytes(file, _MOST)
        except OSError as error:
            return Reject(path, Reason.UNREADABLE, error.strerror or str(error))


def read_side_files(
    root: Path, paths: Sequence[str], label: str, *, follow_links: bool = False
) -> dict[str, bytes | Reject]:
    """Read small files.

    Args:
        root: Root of the data set.
        paths: POSIX paths of the files below it.
        label: Name of the run in progress lines.
        follow_links: Whether they may be links that lead out of the root, see ``resolve_below``.

    Returns:
        Path -> its bytes, or why it can't be read.
    """
    batches = batched(list(paths), _TOGETHER)
    read = _Read(root.resolve(), follow_links)
    results = map_ordered(read, batches, label=label, weights=[len(one) for one in batches], threads=True)
    return dict(zip(paths, (one for result in results for one in result), strict=True))

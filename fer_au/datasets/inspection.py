"""Opening every picture once: its hash and upright size, or why it can't be used."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_au.compute import batched, map_ordered
from fer_au.datasets.files import resolve_below
from fer_au.decoding import ImageRejected, decode_image
from fer_au.rejects import Reason, Reject

MIN_SIDE = 16
MAX_BYTES = 512 * 2**20
_BATCH = 32


@dataclass(frozen=True)
class Picture:
    """A readable picture: path below the root, sha256 of the file's bytes, upright width and height in pixels."""

    path: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class _InspectBatch:
    """Runs in worker processes."""

    root: Path

    def __call__(self, paths: Sequence[str]) -> list[Picture | Reject]:
        return [inspect_picture(self.root, path) for path in paths]


def inspect_pictures(root: Path, paths: Sequence[str], label: str) -> list[Picture | Reject]:
    """Inspect pictures in parallel, in the order of ``paths``."""
    batches = batched(paths, _BATCH)
    weights = [len(batch) for batch in batches]
    results = map_ordered(_InspectBatch(root.resolve()), batches, label=label, weights=weights)
    return [result for batch in results for result in batch]


def inspect_picture(root: Path, path: str) -> Picture | Reject:
    """Read and fully decode one picture.

    Args:
        root: The data set's root, resolved.
        path: POSIX path below it.
    """
    file = resolve_below(root, path)
    if isinstance(file, Reject):
        return file
    try:
        if (size := file.stat().st_size) > MAX_BYTES:
            return Reject(path, Reason.TOO_LARGE, f"{size} bytes")
        data = file.read_bytes()
    except OSError as error:
        return Reject(path, Reason.UNREADABLE, error.strerror or str(error))
    try:
        height, width = decode_image(data).shape[:2]
    except ImageRejected as rejected:
        return Reject(path, rejected.reason, rejected.detail)
    if min(width, height) < MIN_SIDE:
        return Reject(path, Reason.TOO_SMALL, f"{width}x{height}: a side below {MIN_SIDE} pixels")
    return Picture(path, hashlib.sha256(data).hexdigest(), width, height)

"""A look at each picture of a data set: it is read and decoded once; those inside other files become files, once."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.compute import batched, map_ordered
from fer_au.datasets.base import create_adapter, list_records, load_dataset_config
from fer_au.datasets.files import resolve_below
from fer_au.datasets.inside import Inside
from fer_au.datasets.looks import describe_look
from fer_au.decoding import ImageRejected, decode_image
from fer_au.gate import PICTURES, read_bytes
from fer_au.rejects import Reason, Reject
from fer_au.shards.pictures import PictureKeeper

MIN_SIDE = 16
_BATCH = 32


@dataclass(frozen=True)
class Picture:
    """A readable picture.

    Attributes:
        path: POSIX path below the root.
        sha256: sha256 of the file's bytes, hexadecimal.
        width: Width of the upright picture in pixels.
        height: Height of the upright picture in pixels.
        look: How it looks, see ``describe_look``.
    """

    path: str
    sha256: str
    width: int
    height: int
    look: bytes = b""


@dataclass(frozen=True)
class _InspectBatch:
    """Inspects pictures in a worker process."""

    root: Path
    follow_links: bool

    def __call__(self, paths: Sequence[str]) -> list[Picture | Reject]:
        return [inspect_picture(self.root, path, follow_links=self.follow_links) for path in paths]


def inspect_pictures(
    root: Path, paths: Sequence[str], label: str, *, follow_links: bool = False
) -> list[Picture | Reject]:
    """Inspect pictures in parallel, in the order of ``paths``."""
    batches = batched(paths, _BATCH)
    weights = [len(batch) for batch in batches]
    results = map_ordered(_InspectBatch(root.resolve(), follow_links), batches, label=label, weights=weights)
    return [result for batch in results for result in batch]


def inspect_picture(root: Path, path: str, *, follow_links: bool = False) -> Picture | Reject:
    """Read and fully decode one picture.

    Args:
        root: Root of the data set, resolved.
        path: POSIX path below the root.
        follow_links: Whether it may be a link to any file outside the root, see ``resolve_below``.
    """
    file = resolve_below(root, path, follow_links=follow_links)
    if isinstance(file, Reject):
        return file
    try:
        data = read_bytes(file, PICTURES)
    except OSError as error:
        reason = Reason.TOO_LARGE if error.errno == errno.EFBIG else Reason.UNREADABLE
        return Reject(path, reason, error.strerror or str(error))
    found = inspect_bytes(path, data)
    return found if isinstance(found, Reject) else found[0]


def inspect_bytes(path: str, data: bytes) -> tuple[Picture, NDArray[np.uint8]] | Reject:
    """Fully decode the bytes of one picture.

    Args:
        path: Its path below the root.
        data: The bytes.

    Returns:
        What it is, and its pixels, (H, W, 3) uint8 RGB; or why it can't be used.
    """
    try:
        image = decode_image(data)
    except ImageRejected as rejected:
        return Reject(path, rejected.reason, rejected.detail)
    height, width = image.shape[:2]
    if min(width, height) < MIN_SIDE:
        return Reject(path, Reason.TOO_SMALL, f"{width}x{height}: a side below {MIN_SIDE} pixels")
    return Picture(path, hashlib.sha256(data).hexdigest(), width, height, describe_look(image)), image


@dataclass(frozen=True)
class _MakeInside:
    """Makes files of pictures inside other files, in a worker process."""

    root: Path
    follow_links: bool
    keeper: PictureKeeper

    def __call__(self, part: Inside) -> list[Picture | Reject]:
        file = resolve_below(self.root, part.file, follow_links=self.follow_links)
        if isinstance(file, Reject):
            return _of_all(part, file.reason, file.detail)
        try:
            return [self._one(f"{part.file}/{name}", made) for name, made in part.pictures(file)]
        except OSError as error:
            return _of_all(part, Reason.UNREADABLE, error.strerror or str(error))

    def _one(self, path: str, made: bytes | Reject) -> Picture | Reject:
        if isinstance(made, Reject):
            return made
        found = inspect_bytes(path, made)
        if isinstance(found, Reject):
            return found
        self.keeper.keep(made, found[1])
        return found[0]


def _of_all(part: Inside, reason: Reason, detail: str) -> list[Picture | Reject]:
    """Reject all pictures of a file; the file itself where they are not known."""
    return [Reject(id_, reason, detail) for id_ in (f"{part.file}/{name}" for name in part.names)] or [
        Reject(part.file, reason, detail)
    ]


def make_inside(
    root: Path, parts: Sequence[Inside], label: str, *, follow_links: bool = False
) -> dict[str, Picture | Reject]:
    """Make files of pictures inside other files, in parallel, and inspect them; the cache keeps each once.

    Args:
        root: Root of the data set.
        parts: The pictures.
        label: Name of the run in progress lines.
        follow_links: Whether the files may be links that lead out of the root, see ``resolve_below``.

    Returns:
        Path of each picture below the root -> what it is; id of what was rejected as a whole -> why.

    Raises:
        StoreError: The cache can't keep them.
    """
    if not parts:
        return {}
    make = _MakeInside(root.resolve(), follow_links, PictureKeeper())
    results = map_ordered(make, parts, label=label, weights=[max(len(part.names), 1) for part in parts])
    found = [one for result in results for one in result]
    return {one.path if isinstance(one, Picture) else one.id: one for one in found}


def restore_pictures(name: str) -> None:
    """Make the pictures inside other files of a data set once more, as ``ingest`` did: the cache lost them.

    Args:
        name: Key of the data set in ``params.yaml``.

    Raises:
        DataError: The data set can't be read any more.
        StoreError: The cache can't keep them.
    """
    config = load_dataset_config(name)
    scan = list_records(create_adapter(config.adapter), config)
    make_inside(config.root, scan.inside, f"make pictures of {name}", follow_links=config.follow_links)

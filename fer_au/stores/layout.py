"""The layout of a store: its HDF5 metadata as bytes, and the place of every column in the file.

HDF5 lays the file out in memory, with room for the columns and without their values; the values are then written to
their places by plain system calls, in any order and amount (see ``writer``). The result is an ordinary HDF5 file.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import h5py
import numpy as np

from fer_au.stores.columns import ColumnSpec

Attribute = str | int | float


@dataclass(frozen=True)
class Layout:
    """A store's skeleton.

    Attributes:
        metadata: Position in the file -> HDF5's own bytes there.
        offsets: Column -> position of its first byte.
        size: Length of the whole file.
    """

    metadata: dict[int, bytes]
    offsets: dict[str, int]
    size: int


def plan_layout(columns: Mapping[str, ColumnSpec], attributes: Mapping[str, Attribute], user_block: int) -> Layout:
    """Lay out a file of contiguous columns.

    Equal columns and attributes give equal bytes, and attributes whose values have equal lengths give equal places.

    Args:
        columns: Specs of the columns, in the order in which they lie in the file.
        attributes: Attributes of the file, in the order in which they are written.
        user_block: Number of bytes left free at the beginning: 512 times a power of two.
    """
    image = _SparseFile()
    offsets: dict[str, int] = {}
    with h5py.File(image, "w", libver=("earliest", "v110"), userblock_size=user_block) as file:
        for key, value in attributes.items():
            file.attrs[key] = value
        for name, spec in columns.items():
            offsets[name] = _reserve(file, name, spec)
    return Layout(image.pieces, offsets, image.size)


def _reserve(file: h5py.File, name: str, spec: ColumnSpec) -> int:
    create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    create.set_layout(h5py.h5d.CONTIGUOUS)
    create.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    create.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    create.set_obj_track_times(False)
    link = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    link.set_create_intermediate_group(True)
    kind = h5py.h5t.py_create(np.dtype(spec.dtype), logical=True)
    space = h5py.h5s.create_simple(spec.shape)
    dataset = h5py.h5d.create(file.id, name.encode(), kind, space, create, link)
    return int(dataset.get_offset() or 0) if spec.size else 0


class _SparseFile(io.RawIOBase):
    """A file in memory that keeps the pieces HDF5 writes, and not the gaps between them."""

    def __init__(self) -> None:
        self.pieces: dict[int, bytes] = {}
        self.size = 0
        self._position = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        self.pieces.pop(self._position, None)  # what is written last must also be laid down last
        self.pieces[self._position] = bytes(data)
        self._position += len(data)
        self.size = max(self.size, self._position)
        return len(data)

    def truncate(self, size: int | None = None, /) -> int:
        self.size = self._position if size is None else size
        return self.size

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        start, stop = self._position, self._position + len(buffer)
        buffer[:] = bytes(len(buffer))
        for place, piece in self.pieces.items():
            first, last = max(place, start), min(place + len(piece), stop)
            if first < last:
                buffer[first - start : last - start] = piece[first - place : last - place]
        self._position = stop
        return len(buffer)

"""Attention maps of all faces of a table as one npz, written piece by piece: memory doesn't grow with their number."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fer_au.atomic import AtomicFile, write_atomically
from fer_au.errors import DataError
from fer_au.gate import TABLES, read_bytes
from fer_au.use.parts import MAPS, MODULE, Parts

_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal maps give equal bytes, whenever they are written


class _Appending:
    """A new file as ``zipfile`` writes it, from its beginning to its end."""

    def __init__(self, file: AtomicFile) -> None:
        self._file, self._place = file, 0

    @property
    def stream(self) -> IO[bytes]:
        """The file, by the name of its type; ``zipfile`` calls no other method of an archive that is only written."""
        return cast("IO[bytes]", self)

    def write(self, data: bytes) -> int:
        """Append bytes."""
        self._file.write(self._place, data)
        self._place += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: the file is flushed before it takes its name."""


def keep_maps(parts: Parts, number: int, suffix: str, maps: NDArray[np.float32]) -> None:
    """Keep the maps of a part."""
    write_atomically(parts.path(number, suffix), maps.tobytes())


def write_maps(path: Path, parts: Parts, shapes: dict[str, tuple[int, ...]]) -> None:
    """Write the maps of all parts: ``row``, the row of the table from 0, ``maps``, and ``module`` where there are such.

    Args:
        path: FILE.npz.
        parts: Finished parts.
        shapes: Rows and columns of the maps of each kind, by suffix of their files.

    Raises:
        StoreError: The disk refuses.
        DataError: A part can't be read.
    """
    rows = _rows(parts)
    with AtomicFile(path) as file, zipfile.ZipFile(_Appending(file).stream, "w") as archive:
        _append(archive, "row", rows.dtype, rows.shape, [rows.tobytes()])
        for suffix, name in ((MAPS, "maps"), (MODULE, "module")):
            if suffix in shapes:
                shape = (len(rows), *shapes[suffix])
                _append(archive, name, np.dtype("<f4"), shape, _pieces(parts, suffix))


def _rows(parts: Parts) -> NDArray[np.int64]:
    before, rows = 0, []
    for part in parts.every():
        rows.append(np.array(part.faces, np.int64) + before)
        before += part.rows
    return np.concatenate(rows) if rows else np.zeros(0, np.int64)


def _pieces(parts: Parts, suffix: str) -> Iterator[bytes]:
    for number in range(len(parts.keys)):
        path = parts.path(number, suffix)
        try:
            yield read_bytes(path, TABLES)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from error


def _append(
    archive: zipfile.ZipFile, name: str, dtype: np.dtype[np.generic], shape: tuple[int, ...], pieces: Iterable[bytes]
) -> None:
    entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
    with archive.open(entry, "w", force_zip64=True) as stream:
        header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(stream, header)
        for piece in pieces:
            stream.write(piece)

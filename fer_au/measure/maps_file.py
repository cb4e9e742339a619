"""Read maps that were made elsewhere: an .npz or .h5 file with ``id``, ``map`` and, if known, ``probability``."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fer_au.errors import DataError
from fer_au.expressions import EXPRESSIONS, parse_expression
from fer_au.gate import TABLES, open_regular
from fer_au.registry import near_names

KEYS = ("id", "map", "probability", "classes")
SUFFIXES = (".npz", ".h5")
_LARGEST = 1024  # rows or columns of a map: an image's own pixels
_OFF_ONE = 1e-2  # what probabilities of half precision, or rounded to three digits, may miss of one in all


@dataclass(frozen=True)
class BroughtMaps:
    """Maps of N faces from one file, checked as far as the file itself tells.

    Attributes:
        path: The file.
        ids: Their N ids.
        maps: (N, h, w) maps, read when they are asked for.
        probabilities: (N, C) probabilities of the classes; None if the file has none.
        classes: Expressions of the columns of ``probabilities``; None if the file names none.
    """

    path: Path
    ids: tuple[str, ...]
    maps: NDArray[Any] | h5py.Dataset
    probabilities: NDArray[np.float32] | None
    classes: tuple[str, ...] | None

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read the maps at some positions, (n, h, w) float32; those of 8 bits from 0 to 1.

        Raises:
            DataError: A map holds a NaN or an infinite value; the message names its face. Or the file can't be read.
        """
        order = np.argsort(rows, kind="stable")  # h5py wants positions in increasing order
        try:
            read = np.asarray(self.maps[rows[order]])
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: map: can't be read: {error}") from error
        maps = np.empty(read.shape, np.float32)
        maps[order] = read / np.float32(255) if read.dtype == np.uint8 else read
        broken = np.flatnonzero(~np.isfinite(maps).all(axis=(1, 2)))
        if len(broken):
            face = self.ids[rows[broken[0]]]
            raise DataError(f"{self.path}: map: that of {face!r} holds a NaN or an infinite value; leave the face out")
        return maps


@contextmanager
def open_maps(path: Path) -> Iterator[BroughtMaps]:
    """Open a file of maps.

    Args:
        path: FILE.npz or FILE.h5; nothing in it is run or unpickled, and no link in it is followed.

    Raises:
        DataError: It is missing, no such file, or lacks a key; an entry has another shape or type, an id is there
            twice, a class is unknown, or probabilities don't add up to one. The message names file and key.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: expected a file that ends in {' or '.join(SUFFIXES)}")
    with ExitStack() as opened:
        try:
            descriptor = open_regular(path, TABLES if suffix == ".npz" else None)
            file = opened.enter_context(open(descriptor, "rb"))  # noqa: PTH123 (a descriptor)
            brought = _checked(path, _datasets(path, file, opened) if suffix == ".h5" else _arrays(path, file))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or f"no {suffix} file of maps: {error}"
            raise DataError(f"{path}: {reason}") from error
        yield brought


def _arrays(path: Path, file: IO[bytes]) -> dict[str, Any]:
    """Read the arrays of an .npz file, whose sizes its directory tells before any is read."""
    archive = np.load(file, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DataError(f"{path}: one array alone; write it by np.savez(FILE, id=..., map=...)")
    _check_keys(path, archive.files)
    for entry in archive.zip.infolist():  # type: ignore[union-attr]  # None once it is closed
        if entry.file_size > TABLES:
            raise DataError(f"{path}: {entry.filename}: more than {TABLES >> 20} MB; write large maps as .h5")
    return {key: archive[key] for key in archive.files if key in KEYS}


def _datasets(path: Path, file: IO[bytes], opened: ExitStack) -> dict[str, Any]:
    """Find the datasets of an .h5 file that lie in it: no links, nothing virtual, nothing outside."""
    store = opened.enter_context(h5py.File(file, "r"))
    _check_keys(path, list(store))
    found: dict[str, Any] = {}
    for key in filter(store.__contains__, KEYS):
        link = store.get(key, getlink=True)
        data = store.get(key) if isinstance(link, h5py.HardLink) else None
        if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
            raise DataError(f"{path}: {key}: expected a dataset that lies in the file itself")
        texts = h5py.check_string_dtype(data.dtype) is not None
        found[key] = data if key == "map" else data.asstr()[()] if texts else data[()]
    return found


def _check_keys(path: Path, names: Sequence[str]) -> None:
    """Refuse a file that lacks a key, and name the others that it has; those are left alone where none is missing."""
    for key in KEYS[:2]:
        if key not in names:
            others = ", ".join(name for name in names if name not in KEYS)
            raise DataError(f"{path}: it has no {key!r}" + (f", but {others}" if others else ""))


def _checked(path: Path, found: Mapping[str, Any]) -> BroughtMaps:
    maps = found["map"]
    if len(maps.shape) != 3 or maps.dtype.kind not in "fiub" or 0 in maps.shape[1:]:
        raise DataError(f"{path}: map: expected numbers (N, h, w), got {maps.dtype} {tuple(maps.shape)}")
    if max(maps.shape[1:]) > _LARGEST:
        raise DataError(f"{path}: map: {maps.shape[1]} x {maps.shape[2]} cells; at most {_LARGEST} on a side")
    ids = _texts(path, "id", found["id"])
    if len(ids) != maps.shape[0]:
        raise DataError(f"{path}: {len(ids)} ids and {maps.shape[0]} maps; expected one of each for a face")
    doubled = [id_ for id_, count in Counter(ids).items() if count > 1]
    if doubled:
        raise DataError(f"{path}: id: {len(doubled)} are there more than once, such as {doubled[0]!r}")
    classes = _classes(path, found["classes"]) if "classes" in found else None
    probabilities = found.get("probability")
    if probabilities is not None:
        if classes is None:
            raise DataError(f"{path}: it has 'probability' and no 'classes'; name the expressions of its columns")
        probabilities = _probabilities(path, np.asarray(probabilities), ids, classes)
    return BroughtMaps(path, ids, maps, probabilities, classes)


def _texts(path: Path, key: str, values: object) -> tuple[str, ...]:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "USO":
        raise DataError(f"{path}: {key}: expected a list of texts, got {array.dtype} {array.shape}")
    try:
        return tuple(text.decode() if isinstance(text, bytes) else str(text) for text in array.tolist())
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: {key}: not UTF-8") from error


def _classes(path: Path, values: object) -> tuple[str, ...]:
    names = _texts(path, "classes", values)
    known = [parse_expression(name) for name in names]
    for name, label in zip(names, known, strict=True):
        if label is None:
            raise DataError(f"{path}: classes: {name!r} is no expression; {near_names(name, EXPRESSIONS)}")
    labels = tuple(str(label) for label in known)
    if len(set(labels)) < len(labels):
        raise DataError(f"{path}: classes: one is there twice: {', '.join(names)}")
    return labels


def _probabilities(path: Path, values: NDArray[Any], ids: Sequence[str], classes: Sequence[str]) -> NDArray[np.float32]:
    if values.dtype.kind != "f" or values.shape != (len(ids), len(classes)):
        wanted = f"numbers ({len(ids)}, {len(classes)}), a column for each class"
        raise DataError(f"{path}: probability: expected {wanted}, got {values.dtype} {values.shape}")
    values = values.astype(np.float32)
    sums = values.sum(axis=1)
    wrong = ~((values >= 0).all(axis=1) & (np.abs(sums - 1) < _OFF_ONE))  # NaN compares as wrong, too
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{path}: probability: that of {ids[row]!r} isn't from 0 to 1 and 1 in all (it is {sums[row]:g})"
        )
    return values

"""68 points that a data set brings along: from a column of the label file, a table, or numpy arrays.

Points are xy in pixels of the upright picture, in the order of iBUG. Faulty points make no face unusable: the face
keeps its label, its points are NaN, and a note counts them. Extractor ``provided`` lists such faces as its rejects.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from fer_au.config.reading import StrictModel
from fer_au.datasets.base import Annotations
from fer_au.datasets.files import leads_below
from fer_au.datasets.tables import DELIMITERS, find_columns
from fer_au.errors import DataError
from fer_au.ibug68 import N_POINTS, inter_ocular_distance

Points = NDArray[np.float32]

# Names of the table's columns, x and y of each point in any order. OpenFace writes the second.
_STYLES = ("{}{}", "{}_{}")
_LEAST_DISTANCE = 1e-3


class PointsSource(StrictModel):
    """Source of the data set's own 68 points: exactly one of ``column`` and ``file``.

    Attributes:
        column: Column of the label file whose cells hold x;y of all points (136 numbers, also parted by commas or
            spaces), as AffectNet's ``facial_landmarks``.
        file: Table or arrays below the root. A ``.csv`` has a header with column ``id`` and ``x0,y0,...,x67,y67`` (or
            ``x_0``...; other columns are ignored). An ``.npz`` has arrays ``id`` and ``points`` (N, 68, 2). An id is
            the picture as the label file names it, or the id of the manifest.
        id: The table's column that names the picture.
        offset: Pixels added to both coordinates: 0.5 for points that count pixel centres from 0, as dlib and OpenCV
            do; -0.5 for points that count from 1 (Matlab, ``.pts`` files); 0 for points measured from the picture's
            edge.
    """

    column: str | Annotated[int, Field(ge=0)] | None = None
    file: str | None = None
    id: str = "id"
    offset: Annotated[float, Field(ge=-1, le=1)] = 0.5

    @field_validator("file")
    @classmethod
    def _below_root(cls, value: str | None) -> str | None:
        path = PurePosixPath(value or "x.csv")
        if not leads_below(str(path)):
            raise ValueError("must be a path below root")
        if path.suffix.lower() not in (".csv", ".npz"):
            raise ValueError("must be a .csv or an .npz file")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.column is None) == (self.file is None):
            raise ValueError("needs either column or file")
        return self


class PointsCollector:
    """Gathers the points of a set's faces.

    Args:
        source: Configuration of the points.
        origin: Name of the place in errors and notes: a file, or a file and its column.
    """

    def __init__(self, source: PointsSource, origin: str) -> None:
        self._offset = source.offset
        self._origin = origin
        self._points: dict[str, Points] = {}
        self._faults: dict[str, str] = {}
        self._unmatched: list[str] = []

    def add(self, face: str, points: Points | str) -> None:
        """Take the points of a face.

        Args:
            face: Id of the record.
            points: Points (68, 2) as the data set has them, without the offset; or a text about their fault.
        """
        if not isinstance(points, str):
            points = _checked(points)
        known = self._points.get(face)
        if isinstance(points, str):
            self._faults[face] = points
        elif known is not None and not np.array_equal(known, points):
            self._faults[face] = "several rows with other points"
        else:
            self._points[face] = points

    def add_unmatched(self, name: str) -> None:
        """Count points under a name that no face of the set has."""
        self._unmatched.append(name)

    def annotations(self) -> Annotations:
        """Gather the column ``points`` of the faces that have usable ones.

        Raises:
            DataError: No face has usable points; the message tells the first fault.
        """
        faces = sorted(self._points.keys() - self._faults.keys())
        if not faces:
            why = "it is empty"
            if self._faults:
                why = "; ".join(f"{face}: {fault}" for face, fault in list(self._faults.items())[:1])
            elif self._unmatched:
                why = f"{self._unmatched[0]!r} is no picture of the label file"
            raise DataError(f"{self._origin}: no usable points (key points); {why}")
        stacked = np.stack([self._points[face] for face in faces]) + np.float32(self._offset)
        return Annotations(tuple(faces), {"points": stacked})

    def notes(self, faces: int) -> tuple[str, ...]:
        """Write lines about faces without points.

        Args:
            faces: Number of faces that the label file names.
        """
        notes = []
        usable = len(self._points.keys() - self._faults.keys())
        if usable < faces:
            notes.append(f"{usable} of {faces} faces have points in {self._origin}")
        if self._faults:
            face, fault = min(self._faults.items())
            notes.append(f"{len(self._faults)} faces have unusable points in {self._origin}, such as {face}: {fault}")
        if self._unmatched:
            first = min(self._unmatched)
            notes.append(f"{len(self._unmatched)} ids of {self._origin} are no picture of the set, such as {first}")
        return tuple(notes)


def _checked(points: Points) -> Points | str:
    if not np.isfinite(points).all():
        return "not all numbers are finite"
    if float(inter_ocular_distance(points)) < _LEAST_DISTANCE:
        return "both eyes are at one place"
    return points


def parse_points(text: str) -> Points | str:
    """Read the points (68, 2) of a cell ``x;y;x;y...``; a text about the fault where there is one."""
    return _to_points([part for part in re.split(r"[;,\s]+", text.strip()) if part])


def _to_points(parts: Sequence[str]) -> Points | str:
    if len(parts) != 2 * N_POINTS:
        return f"{len(parts)} numbers instead of {2 * N_POINTS}"
    try:
        return np.array(parts, np.float32).reshape(N_POINTS, 2)
    except ValueError:
        return "not all are numbers"


def read_points_file(root: Path, source: PointsSource, faces: Mapping[str, str]) -> PointsCollector:
    """Read the file of points that ``source`` names.

    Args:
        root: Root of the data set.
        source: Configuration of the points, which names a file.
        faces: Every name under which the file may list a face -> id of the record.

    Raises:
        DataError: The file is missing, of another form, or lacks a column or array; one line that names it.
    """
    path = root / str(source.file)
    collector = PointsCollector(source, str(source.file))
    rows = _read_arrays(path) if path.suffix.lower() == ".npz" else _read_table(path, source.id)
    for name, points in rows:
        if name in faces:
            collector.add(faces[name], points)
        else:
            collector.add_unmatched(name)
    return collector


def _read_table(path: Path, id_column: str) -> Iterator[tuple[str, Points | str]]:
    """Yield the rows of a table one by one: all cells at once would be gigabytes for a large set."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            positions, delimiter = _read_header(path, first, id_column)
            for cells in csv.reader(file, delimiter=delimiter, skipinitialspace=True):
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) <= max(positions):
                    yield (cells[positions[0]] if positions[0] < len(cells) else ""), f"only {len(cells)} cells"
                else:
                    name, *numbers = (cells[position].strip() for position in positions)
                    yield name, _to_points(numbers)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror} (key points.file)") from error
    except UnicodeError as error:
        raise DataError(f"{path}: not utf-8 text (key points.file)") from error
    except csv.Error as error:
        raise DataError(f"{path}: {error} (key points.file)") from error


def _read_header(path: Path, header: str, id_column: str) -> tuple[list[int], str]:
    """Find the positions of the id and of x0, y0, x1, ... in a row, and the delimiter."""
    for delimiter in DELIMITERS:
        names = next(csv.reader([header], delimiter=delimiter), [])
        for style in _STYLES:
            wanted = [id_column, *(style.format(axis, point) for point in range(N_POINTS) for axis in "xy")]
            found = find_columns(names, {name: name for name in wanted}, any_case=False)
            if len(found) == len(wanted):
                return list(found.values()), delimiter
        if id_column in found:
            raise DataError(f"{path}: lacks columns x0, y0, ..., x67, y67 (or x_0, ...) (key points.file)")
    raise DataError(f"{path}: no column {id_column!r} (key points.id); the first row is: {header.strip()[:120]}")


def _read_arrays(path: Path) -> Iterator[tuple[str, Points | str]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            ids, points = arrays["id"], arrays["points"]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or 'no npz file'} (key points.file)") from error
    except KeyError as error:
        raise DataError(f"{path}: needs the arrays id and points (key points.file)") from error
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path}: no npz file of plain arrays (key points.file)") from error
    if ids.ndim != 1 or ids.dtype.kind not in "US" or points.shape != (len(ids), N_POINTS, 2):
        raise DataError(
            f"{path}: id must be (N,) text and points (N, {N_POINTS}, 2), not {ids.dtype} {ids.shape} and "
            f"{points.shape} (key points.file)"
        )
    if points.dtype.kind not in "fiu":
        raise DataError(f"{path}: points must be numbers, not {points.dtype} (key points.file)")
    for name, row in zip(ids.tolist(), points.astype(np.float32), strict=True):
        yield (name.decode("utf-8", "replace") if isinstance(name, bytes) else name), row

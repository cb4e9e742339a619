"""Files of 68 points beside the label file: a table with a column for each coordinate, or numpy arrays."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_au.csv_files import original
from fer_au.datasets.files import elsewhere_hint
from fer_au.datasets.points import OFFSET, Points, PointsCollector, PointsSource, count_fault, to_points
from fer_au.datasets.spelling import Spellings
from fer_au.datasets.tables import DELIMITERS, find_columns
from fer_au.errors import DataError
from fer_au.gate import MB, TABLES, open_regular, open_table
from fer_au.ibug68 import N_POINTS
from fer_au.stores.frames import CROP, FRAME_COLUMN, PICTURE

# Names of the table's columns, x and y of each point in any order. OpenFace writes the second.
_STYLES = ("{}{}", "{}_{}")
_FIRST = (0, 1)  # number of the first point in these names
_NUMBERED = re.compile(r"x_?(\d+)")

Rows = Iterator[tuple[str, Points | str | None]]


@dataclass(frozen=True)
class _File:
    """An open file of points.

    Attributes:
        rows: Name of the face and its points, None where it has none, or a text about their fault.
        frame: Frame that the file says its points lie in; empty if it doesn't say.
        remark: What people should know about it.
    """

    rows: Rows
    frame: str = ""
    remark: str = ""


def read_points_file(root: Path, source: PointsSource, faces: Mapping[str, str]) -> PointsCollector:
    """Read the file of points that ``source`` names.

    Args:
        root: Root of the data set.
        source: Configuration of the points, which names a file.
        faces: Every name under which the file may list a face -> id of the record.

    Raises:
        DataError: The file is missing, of another form or frame, or lacks a column or array; one line that names it.
    """
    path = root / str(source.file)
    if not path.exists():
        hint = elsewhere_hint(root, "points.file", str(source.file))
        raise DataError(f"{path}: No such file or directory (key points.file){hint}")
    file = _read_arrays(path) if path.suffix.lower() == ".npz" else _read_table(path, source.id)
    collector = PointsCollector(str(source.file), _choose_offset(path, file.frame, source.offset))
    if file.remark:
        collector.remark(file.remark)
    spellings = Spellings(faces)
    for name, points in file.rows:
        known = spellings.find(name)
        if known not in faces:
            known = spellings.find(original(name))  # as `fer-au store export` writes it
        if known not in faces:
            collector.add_unmatched(name)
        elif points is not None:
            collector.add(faces[known], points)
    return collector


def _choose_offset(path: Path, frame: str, offset: float | None) -> float:
    """Decide what is added to the points, by what the file says of its frame.

    Raises:
        DataError: The points don't lie in the pictures, or the configured offset contradicts the file.
    """
    if not frame:
        return OFFSET if offset is None else offset
    if frame == CROP:
        raise DataError(
            f"{path}: its points lie in aligned crops, not in the pictures ({FRAME_COLUMN}: {CROP}); write them by "
            f"`fer-au store export data/NAME/landmarks.h5 -o points{path.suffix.lower()} --frame {PICTURE}` "
            "(key points.file)"
        )
    if frame != PICTURE:
        raise DataError(f"{path}: {FRAME_COLUMN} must be {PICTURE}, not {frame!r} (key points.file)")
    if offset:
        raise DataError(
            f"{path}: its points count from the picture's edge ({FRAME_COLUMN}: {PICTURE}); leave out points.offset, "
            f"which is {offset:g}"
        )
    return 0.0


def _read_table(path: Path, id_column: str) -> _File:
    try:
        with open_table(path, "utf-8-sig") as file:
            first = file.readline()
            columns = _read_header(path, first, id_column)
            frame = _read_frame(csv.reader(file, delimiter=columns.delimiter, skipinitialspace=True), columns.frame)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror} (key points.file)") from error
    except UnicodeError as error:
        raise DataError(f"{path}: not utf-8 text (key points.file)") from error
    except csv.Error as error:
        raise DataError(f"{path}: {error} (key points.file)") from error
    remark = ""
    if columns.first:
        remark = (
            f"{path.name} counts its points from 1; if it counts pixels from 1, too, as Matlab and .pts files do, say "
            "points.offset: -0.5"
        )
    return _File(_table_rows(path, columns), frame, remark)


@dataclass(frozen=True)
class _Columns:
    """Places of a table's columns: of the id and of x0, y0, x1, ..., in this order, and of the frame."""

    positions: list[int]
    delimiter: str
    first: int
    frame: int | None


def _read_header(path: Path, header: str, id_column: str) -> _Columns:
    for delimiter in DELIMITERS:
        names = next(csv.reader([header], delimiter=delimiter), [])
        for style, first in ((style, first) for first in _FIRST for style in _STYLES):
            wanted = [id_column, *(style.format(a, first + k) for k in range(N_POINTS) for a in "xy")]
            found = find_columns(names, {name: name for name in wanted}, any_case=False)
            if len(found) < len(wanted):
                continue
            if style.format("x", first + N_POINTS) in (name.strip() for name in names):
                fault = count_fault(2 * sum(bool(_NUMBERED.fullmatch(name.strip())) for name in names))
                raise DataError(f"{path}: {fault} (key points.file)")
            frame = find_columns(names, {FRAME_COLUMN: FRAME_COLUMN}).get(FRAME_COLUMN)
            return _Columns(list(found.values()), delimiter, first, frame)
        if find_columns(names, {id_column: id_column}, any_case=False):
            raise DataError(f"{path}: {_lacking(names)} (key points.file)")
    raise DataError(f"{path}: no column {id_column!r} (key points.id); the first row is: {header.strip()[:120]}")


def _lacking(names: Sequence[str]) -> str:
    columns = "lacks columns x0, y0, ..., x67, y67 (or x_0, ...)"
    number = len({match[1] for name in names if (match := _NUMBERED.fullmatch(name.strip()))})
    return f"{columns}; {count_fault(2 * number)}" if number > 1 and number != N_POINTS else columns


def _read_frame(rows: Iterator[list[str]], position: int | None) -> str:
    """Read the frame of a table's points, which all rows share; another than the pictures' wins over theirs."""
    if position is None:
        return ""
    found = {row[position].strip() for row in rows if len(row) > position} - {""}
    return min(found, key=lambda frame: (frame == PICTURE, frame), default="")


def _table_rows(path: Path, columns: _Columns) -> Rows:
    """Yield the rows of a table one by one: all cells at once would be gigabytes for a large set."""
    positions = columns.positions
    try:
        with open_table(path, "utf-8-sig") as file:
            file.readline()
            for cells in csv.reader(file, delimiter=columns.delimiter, skipinitialspace=True):
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) <= max(positions):
                    yield (cells[positions[0]] if positions[0] < len(cells) else ""), f"only {len(cells)} cells"
                else:
                    name, *numbers = (cells[position].strip() for position in positions)
                    yield name, to_points(numbers) if any(numbers) else None
    except UnicodeError as error:
        raise DataError(f"{path}: not utf-8 text (key points.file)") from error
    except csv.Error as error:
        raise DataError(f"{path}: {error} (key points.file)") from error


def _read_arrays(path: Path) -> _File:
    try:
        with io.open(open_regular(path, TABLES), "rb") as file, np.load(file, allow_pickle=False) as arrays:  # noqa: UP020
            if sum(member.file_size for member in arrays.zip.infolist()) > TABLES:
                raise DataError(f"{path}: larger than {TABLES // MB} MB when it is unpacked (key points.file)")
            ids, points = arrays["id"], arrays["points"]
            frame = arrays[FRAME_COLUMN] if FRAME_COLUMN in arrays else np.array("")
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or 'no npz file'} (key points.file)") from error
    except KeyError as error:
        raise DataError(f"{path}: needs the arrays id and points (key points.file)") from error
    except Exception as error:  # numpy and zipfile raise nearly everything on strange bytes
        raise DataError(f"{path}: no npz file of plain arrays (key points.file)") from error
    if ids.ndim != 1 or ids.dtype.kind not in "US" or points.shape != (len(ids), N_POINTS, 2):
        known = points.ndim == 3 and points.shape[2] == 2 and points.shape[1] != N_POINTS
        raise DataError(
            f"{path}: id must be (N,) text and points (N, {N_POINTS}, 2), not {ids.dtype} {ids.shape} and "
            f"{points.shape}{f'; {count_fault(2 * points.shape[1])}' if known else ''} (key points.file)"
        )
    if points.dtype.kind not in "fiu":
        raise DataError(f"{path}: points must be numbers, not {points.dtype} (key points.file)")
    if frame.ndim or frame.dtype.kind not in "US":
        raise DataError(f"{path}: {FRAME_COLUMN} must be a text, not {frame.dtype} {frame.shape} (key points.file)")
    return _File(_array_rows(ids.tolist(), points.astype(np.float32)), _text(frame.item()))


def _array_rows(ids: Sequence[str | bytes], points: Points) -> Rows:
    for name, row in zip(ids, points, strict=True):
        yield _text(name), None if np.isnan(row).all() else row


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

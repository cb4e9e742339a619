"""Stores in formats that any tool reads: npz with every column, csv with one line per row."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from fer_au.atomic import AtomicFile
from fer_au.csv_files import harmless
from fer_au.errors import StoreError
from fer_au.stores.columns import Array, ColumnSpec, is_table, offset_name, ragged_names
from fer_au.stores.frames import FRAME_COLUMN, points_frame
from fer_au.stores.reader import Store
from fer_au.stores.schemas import SCHEMAS

_ROWS = 1024
_FIXED_SHAPES = {shape for schema in SCHEMAS.values() for _, shape in schema.columns.values() if -1 not in shape}
_LONGEST_VECTOR = max(map(prod, _FIXED_SHAPES))  # the points of a face


@dataclass(frozen=True)
class LeftOut:
    """Columns of a store that a csv has not.

    Attributes:
        maps: Maps, which would be hundreds of cells per row each.
        others: Rows of bytes (crops), and tables of the whole store.
    """

    maps: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class CsvColumns:
    """Neighbouring columns of a csv that show one column of a store.

    Attributes:
        heads: Their headings.
        cells: Gives the cells of rows ``start`` to ``stop`` (exclusive), one list per row.
    """

    heads: Sequence[str]
    cells: Callable[[int, int], list[list[str]]]


@dataclass(frozen=True)
class FramedPoints:
    """Points of a store, and the frame that they count from.

    Attributes:
        frame: Frame, as ``frames`` names it.
        rows: Gives the points of rows ``start`` to ``stop`` (exclusive), (stop - start, 68, 2) xy.
    """

    frame: str
    rows: Callable[[int, int], Array]


def export_store(store: Store, output: Path, *, maps: bool = False, points: FramedPoints | None = None) -> LeftOut:
    """Write a store as another format, which the output's suffix names.

    ``.npz`` holds every column under its name (ids as text; no pickles). ``.csv`` holds what ``csv_columns`` gives.
    Both say the frame of points, if there are any.

    Args:
        store: Open store.
        output: Output file; replaced as a whole.
        maps: Whether a csv has the maps, too.
        points: Points that are written in place of the store's, such as the same ones in another frame.

    Returns:
        The columns that a csv has not.

    Raises:
        StoreError: Another suffix, or the disk refuses.
    """
    if output.suffix == ".npz":
        columns = {name: _plain(store[name]) for name in store.columns}
        if points := points or _own_points(store):
            columns |= {"points": points.rows(0, len(store)), FRAME_COLUMN: np.array(points.frame)}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **columns)
        with AtomicFile(output) as file:
            file.write(0, buffer.getbuffer())
        return LeftOut()
    if output.suffix == ".csv":
        found, left_out = csv_columns(store, maps=maps)
        if points := points or _own_points(store):
            frame, rows = points.frame, points.rows
            found["points"] = CsvColumns(found["points"].heads, lambda start, stop: _cells(rows(start, stop)))
            found[FRAME_COLUMN] = CsvColumns([FRAME_COLUMN], lambda start, stop: [[frame]] * (stop - start))
        write_csv_columns(output, len(store), list(found.values()))
        return left_out
    raise StoreError(f"{output}: unknown format {output.suffix!r}; name it .npz or .csv")


def _own_points(store: Store) -> FramedPoints | None:
    frame = points_frame(store.schema) if "points" in store else ""
    return FramedPoints(frame, lambda start, stop: store.rows("points", start, stop)) if frame else None


def is_map(spec: ColumnSpec) -> bool:
    """Tell maps from values and vectors.

    A row is a map if it has two axes or more, or more values than the points of a face; not if some schema fixes its
    very shape (points, matrices).

    Example:
        >>> [is_map(ColumnSpec(np.dtype("f4"), (9, *row))) for row in [(), (7,), (68, 2), (28, 28), (2, 7, 7), (512,)]]
        [False, False, False, True, True, True]
    """
    row = spec.shape[1:]
    return row not in _FIXED_SHAPES and (len(row) > 1 or prod(row) > _LONGEST_VECTOR)


def csv_columns(store: Store, *, maps: bool) -> tuple[dict[str, CsvColumns], LeftOut]:
    """Show the columns of a store as columns of a csv: ``id``, then the elements of every other column.

    Points are ``x0,y0,x1,y1,...``, elements of others ``name`` or ``name_0,name_1,...``; an empty cell is NaN. A text
    that a spreadsheet would run has a quote in front. Neither rows of bytes (crops) nor tables of the whole store fit
    into a csv.

    Args:
        store: Open store.
        maps: Whether maps are shown.

    Returns:
        Name of the store's column -> the csv's columns; and what is left out.
    """
    ragged = ragged_names(store.columns)
    others = [*ragged, *(name for name in store.columns if is_table(name))]
    rest = [name for name in store.columns if name not in {*others, *map(offset_name, ragged)}]
    hidden = [] if maps else [name for name in rest if is_map(store.specs[name])]
    # Shards of the cache have no ids.
    names = sorted((name for name in rest if name not in hidden), key=lambda name: name != "id")
    return {name: _shown(store, name) for name in names}, LeftOut(tuple(hidden), tuple(others))


def write_csv_columns(output: Path, rows: int, columns: Sequence[CsvColumns]) -> None:
    """Write a csv, some rows at a time.

    Raises:
        StoreError: The disk refuses.
    """
    position = 0
    with AtomicFile(output) as file:
        for lines in _pieces(rows, columns):
            file.write(position, lines)
            position += len(lines)


def _plain(values: Array) -> Array:
    return np.array([text.decode() for text in values.tolist()]) if values.dtype.kind == "S" else values


def _shown(store: Store, name: str) -> CsvColumns:
    heads = _heads(name, store.specs[name].shape[1:])
    return CsvColumns(heads, lambda start, stop: _cells(store.rows(name, start, stop)))


def _pieces(rows: int, columns: Sequence[CsvColumns]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([head for column in columns for head in column.heads])
    for start in range(0, rows, _ROWS):
        cells = [column.cells(start, min(start + _ROWS, rows)) for column in columns]
        writer.writerows([cell for own in row for cell in own] for row in zip(*cells, strict=True))
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _heads(name: str, shape: tuple[int, ...]) -> list[str]:
    if not shape:
        return [name]
    if name == "points":
        return [f"{axis}{point}" for point in range(shape[0]) for axis in "xy"]
    return [f"{name}_{'_'.join(map(str, index))}" for index in np.ndindex(shape)]


def _cells(values: Array) -> list[list[str]]:
    flat = values.reshape(len(values), -1)
    if flat.dtype.kind == "S":
        return [[harmless(cell.decode()) for cell in row] for row in flat.tolist()]
    if flat.dtype.kind == "b":
        return [[str(int(cell)) for cell in row] for row in flat.tolist()]
    if flat.dtype.kind == "f":
        # The shortest text that reads back as the very value of the column's own precision.
        text = flat.astype(np.str_)
        text[np.isnan(flat)] = ""
        return [[str(cell) for cell in row] for row in text.tolist()]
    return [[str(cell) for cell in row] for row in flat.tolist()]

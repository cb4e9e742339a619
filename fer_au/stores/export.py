"""Stores in formats that any tool reads: npz with every column, csv with one line per row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fer_au.atomic import AtomicFile
from fer_au.errors import StoreError
from fer_au.stores.columns import Array, is_table, offset_name, ragged_names
from fer_au.stores.reader import Store

_ROWS = 1024


def export_store(store: Store, output: Path) -> list[str]:
    """Write a store as another format, which the output's suffix names.

    ``.npz`` holds every column under its name (ids as text; no pickles). ``.csv`` holds one line per row: ``id``, then
    the elements of every column; points as ``x0,y0,x1,y1,...``, others as ``name`` or ``name_0,name_1,...``; an empty
    cell is NaN. Neither rows of bytes (crops) nor tables of the whole store fit into a csv.

    Args:
        store: Open store.
        output: Output file; replaced as a whole.

    Returns:
        Names of columns that were left out.

    Raises:
        StoreError: Another suffix, or the disk refuses.
    """
    if output.suffix == ".npz":
        columns = {name: _plain(store[name]) for name in store.columns}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **columns)
        with AtomicFile(output) as file:
            file.write(0, buffer.getbuffer())
        return []
    if output.suffix == ".csv":
        return _write_csv(store, output)
    raise StoreError(f"{output}: unknown format {output.suffix!r}; name it .npz or .csv")


def _plain(values: Array) -> Array:
    return np.array([text.decode() for text in values.tolist()]) if values.dtype.kind == "S" else values


def _write_csv(store: Store, output: Path) -> list[str]:
    ragged = ragged_names(store.columns)
    bounds = {offset_name(name) for name in ragged}
    tables = [name for name in store.columns if is_table(name)]
    names = ["id", *(name for name in store.columns if name not in {"id", *ragged, *bounds, *tables})]
    header = [cell for name in names for cell in _header(name, store.specs[name].shape[1:])]
    position = 0
    with AtomicFile(output) as file:
        for lines in _csv_pieces(store, names, header):
            file.write(position, lines)
            position += len(lines)
    return ragged + tables


def _csv_pieces(store: Store, names: list[str], header: list[str]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for start in range(0, len(store), _ROWS):
        stop = min(start + _ROWS, len(store))
        cells = [_cells(store.rows(name, start, stop)) for name in names]
        writer.writerows([cell for row in rows for cell in row] for rows in zip(*cells, strict=True))
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _header(name: str, shape: tuple[int, ...]) -> list[str]:
    if not shape:
        return [name]
    if name == "points":
        return [f"{axis}{point}" for point in range(shape[0]) for axis in "xy"]
    return [f"{name}_{'_'.join(map(str, index))}" for index in np.ndindex(shape)]


def _cells(values: Array) -> list[list[str]]:
    flat = values.reshape(len(values), -1)
    if flat.dtype.kind == "S":
        return [[cell.decode() for cell in row] for row in flat.tolist()]
    if flat.dtype.kind == "b":
        return [[str(int(cell)) for cell in row] for row in flat.tolist()]
    if flat.dtype.kind == "f":
        # The shortest text that reads back as the very value of the column's own precision.
        text = flat.astype(np.str_)
        text[np.isnan(flat)] = ""
        return [[str(cell) for cell in row] for row in text.tolist()]
    return [[str(cell) for cell in row] for row in flat.tolist()]

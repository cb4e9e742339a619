"""Columns of stores: specs, the rules of their names, checks against a schema, and the form of ids.

A column is plain (one entry per row), ragged (rows of bytes end to end, which an offset column bounds) or a table (of
the store as a whole, with rows of its own). The name of a column tells its kind; every rule about kinds stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from fer_au.arguments import check_type, read_list, read_text
from fer_au.errors import ArgumentError, StoreError
from fer_au.stores.schemas import Schema

Array = NDArray[np.generic]

TABLES = "table/"
"""Prefix of the names of tables."""


@dataclass(frozen=True)
class ColumnSpec:
    """The type and the whole shape of a column; the first axis counts rows (bytes, for a ragged column)."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of one step along the first axis."""
        return self.dtype.itemsize * prod(self.shape[1:])

    @property
    def size(self) -> int:
        """Bytes of the whole column."""
        return self.row_bytes * self.shape[0]

    @classmethod
    def of(cls, array: Array) -> ColumnSpec:
        """Describe an array."""
        return cls(array.dtype, array.shape)


def offset_name(name: str) -> str:
    """Name the column that bounds a ragged one: ``data`` -> ``offset``, ``context`` -> ``context_offset``."""
    return "offset" if name == "data" else f"{name}_offset"


def is_offset(name: str) -> bool:
    """Tell whether a column bounds the rows of a ragged one."""
    return name == "offset" or name.endswith("_offset")


def is_table(name: str) -> bool:
    """Tell whether a column belongs to the store as a whole, and not row by row."""
    return name.startswith(TABLES)


def ragged_names(columns: Iterable[str]) -> list[str]:
    """List the ragged columns of a store, sorted: those that another column bounds."""
    names = set(columns)
    return sorted(name for name in names if not is_offset(name) and offset_name(name) in names)


def row_range(
    name: str, specs: Mapping[str, ColumnSpec], offsets: Mapping[str, Array], start: int, stop: int
) -> tuple[int, int]:
    """Find the entries of a column that belong to rows ``start:stop`` of its store.

    Args:
        name: Name of the column.
        specs: Specs of all columns.
        offsets: Offset column -> its values.
        start: First row.
        stop: Last row + 1.

    Returns:
        The first entry, and the last + 1: an offset column has one more entry than there are rows, and a table belongs
        to the first row as a whole.
    """
    if is_table(name):
        return 0, 0 if start else specs[name].shape[0]
    if is_offset(name):
        return start, stop + 1
    if offset_name(name) in offsets:
        bounds = offsets[offset_name(name)]
        return int(bounds[start]), int(bounds[stop])
    return start, stop


def pack_ragged(rows: Sequence[bytes], name: str = "data") -> dict[str, Array]:
    """Pack rows of bytes into two columns: the flat uint8 values and their bounds (rows + 1, int64).

    Raises:
        ArgumentError: A row is no bytes.
    """
    rows, name = read_list("rows", rows, "a list of bytes"), read_text("name", name, "the name of a column")
    for place, row in enumerate(rows):
        check_type(f"rows[{place}]", row, (bytes, bytearray, memoryview), "bytes")
    offset = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offset[1:])
    return {name: np.frombuffer(b"".join(rows), np.uint8), offset_name(name): offset}


def check_specs(schema: Schema, specs: Mapping[str, ColumnSpec], where: str) -> int:
    """Check types and shapes of columns against a schema and return the number of rows.

    Raises:
        StoreError: A column is missing, unknown, or of another type or shape.
    """
    first = next(iter(schema.columns))
    required = [*schema.columns, *(("data", "offset") if schema.ragged else ()), *schema.tables]
    for name in required:
        if name not in specs:
            raise StoreError(f"{where}: column {name!r} is missing")
    rows = specs[first].shape[0]
    present = {name: form for name, form in schema.optional.items() if name in specs}
    for name, (kinds, shape) in (schema.columns | schema.tables | present).items():
        spec = specs[name]
        fits = len(spec.shape) == 1 + len(shape) and all(
            want in (-1, have) for want, have in zip(shape, spec.shape[1:], strict=True)
        )
        if spec.dtype.kind not in kinds or not fits:
            raise StoreError(f"{where}: column {name!r} is {spec.dtype} {spec.shape}, expected rows of {kinds}{shape}")
    for name, spec in specs.items():
        if name in schema.tables:
            continue
        if not schema.open_columns and name not in schema.columns | schema.optional:
            raise StoreError(f"{where}: unknown column {name!r} in a {schema.name} store")
        expected = rows + 1 if is_offset(name) else rows
        found = spec.shape[0] if spec.shape else "no"
        if offset_name(name) not in specs and found != expected:
            raise StoreError(f"{where}: column {name!r} has {found} rows, expected {expected}")
    return rows


def check_bounds(name: str, bounds: Array, length: int, where: str) -> None:
    """Check that the bounds of a ragged column rise from 0 to its length.

    Raises:
        StoreError: They do not.
    """
    values = bounds.astype(np.int64)
    if len(values) == 0 or values[0] != 0 or values[-1] != length or (np.diff(values) < 0).any():
        raise StoreError(f"{where}: column {name!r} does not end where {offset_name(name)!r} says")


def encode_ids(ids: Sequence[str]) -> Array:
    """Encode ids as fixed-length UTF-8 bytes, the form of every ``id`` column.

    Raises:
        ArgumentError: They are no list of texts, or one can't be kept: it ends in a NUL, or is no Unicode.
    """
    encoded = [_encoded(f"ids[{place}]", id_) for place, id_ in enumerate(read_list("ids", ids, "a list of ids"))]
    width = max((len(text) for text in encoded), default=1)
    return np.array(encoded, dtype=f"S{max(width, 1)}")


def _encoded(place: str, id_: object) -> bytes:
    text = read_text(place, id_, "an id, a text")
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(f"{place}: expected Unicode, got {text!r}: {error.reason}") from error
    if encoded.endswith(b"\0"):
        raise ArgumentError(f"{place}: expected an id that doesn't end in a NUL, got {text!r}")
    return encoded

"""Columns of stores: what a schema demands of them, and the forms of ids and of rows of bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fer_au.errors import StoreError
from fer_au.stores.format import Array, ColumnSpec, is_offset, offset_name
from fer_au.stores.schemas import Schema


def pack_ragged(rows: Sequence[bytes], name: str = "data") -> dict[str, Array]:
    """Rows of bytes as two columns: the flat uint8 values and their bounds (rows + 1, int64)."""
    offset = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offset[1:])
    return {name: np.frombuffer(b"".join(rows), np.uint8), offset_name(name): offset}


def encode_ids(ids: Sequence[str]) -> Array:
    """Ids as fixed-length UTF-8 bytes, the form of every ``id`` column."""
    encoded = [id_.encode() for id_ in ids]
    width = max((len(text) for text in encoded), default=1)
    return np.array(encoded, dtype=f"S{max(width, 1)}")


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
    for name, (kinds, shape) in (schema.columns | schema.tables).items():
        spec = specs[name]
        fits = len(spec.shape) == 1 + len(shape) and all(
            want in (-1, have) for want, have in zip(shape, spec.shape[1:], strict=True)
        )
        if spec.dtype.kind not in kinds or not fits:
            raise StoreError(f"{where}: column {name!r} is {spec.dtype} {spec.shape}, expected rows of {kinds}{shape}")
    for name, spec in specs.items():
        if name in schema.tables:
            continue
        if not schema.open_columns and name not in schema.columns:
            raise StoreError(f"{where}: unknown column {name!r} in a {schema.name} store")
        expected = rows + 1 if is_offset(name) else rows
        found = spec.shape[0] if spec.shape else "no"
        if offset_name(name) not in specs and found != expected:
            raise StoreError(f"{where}: column {name!r} has {found} rows, expected {expected}")
    return rows


def check_bounds(name: str, bounds: Array, length: int, where: str) -> None:
    """Check that the bounds of a ragged column rise from 0 to its length.

    Raises:
        StoreError: They don't.
    """
    values = bounds.astype(np.int64)
    if len(values) == 0 or values[0] != 0 or values[-1] != length or (np.diff(values) < 0).any():
        raise StoreError(f"{where}: column {name!r} does not end where {offset_name(name)!r} says")


def runs(*positions: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Cut into runs along which every one of some equally long arrays counts up by one.

    Yields:
        Pairs (first index, last index + 1).
    """
    length = len(positions[0])
    if length == 0:
        return
    breaks = np.zeros(length - 1, np.bool_)
    for values in positions:
        breaks |= np.diff(values) != 1
    yield from pairwise([0, *(np.flatnonzero(breaks) + 1).tolist(), length])

"""Rows in the shard cache, read shard by shard, and stores assembled from them in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.shards.cache import ShardCache
from fer_au.stores.columns import Array, ColumnSpec, offset_name
from fer_au.stores.layout import Attribute
from fer_au.stores.reader import Store, runs
from fer_au.stores.writer import StoreWriter, open_writer

_BLANK_ROWS = 4096


@dataclass(frozen=True)
class Field:
    """A column that is assembled from cached rows.

    Attributes:
        dtype: Type of the column.
        shape: Shape of one row.
        blank: Value of every element of an output row without a cached row.
    """

    dtype: str
    shape: tuple[int, ...] = ()
    blank: object = 0


class CachedRows:
    """Rows of items in the shard cache.

    Args:
        cache: Cache of the operation.
        paths: Shards of the cache.
        shard: (N,) position in ``paths`` of each item's shard.
        row: (N,) row of each item in its shard.
    """

    def __init__(
        self, cache: ShardCache, paths: Sequence[Path], shard: NDArray[np.int32], row: NDArray[np.int32]
    ) -> None:
        self._cache = cache
        self._paths = paths
        self._shard = shard
        self._row = row
        self._stores: dict[int, Store] = {}

    def __len__(self) -> int:
        return len(self._row)

    def select(self, items: NDArray[np.bool_] | NDArray[np.int64]) -> CachedRows:
        """Select the rows of some items."""
        chosen = CachedRows(self._cache, self._paths, self._shard[items], self._row[items])
        chosen._stores = self._stores
        return chosen

    def replaced(self, items: NDArray[np.int64], others: CachedRows) -> CachedRows:
        """Take the rows of some items from others, of the same cache."""
        shard, row = self._shard.copy(), self._row.copy()
        shard[items] = others._shard + len(self._paths)
        row[items] = others._row
        return CachedRows(self._cache, [*self._paths, *others._paths], shard, row)

    def shards(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Store]]:
        """Yield each shard once: its items, their rows in it, and the open shard."""
        order = np.argsort(self._shard, kind="stable")
        numbers = self._shard[order]
        cuts = np.flatnonzero(np.diff(numbers)) + 1
        for items in np.split(order, cuts) if len(order) else []:
            store = self._open(int(self._shard[items[0]]))
            yield items, self._row[items].astype(np.int64), store
            store.release()

    def _open(self, number: int) -> Store:
        # Its seal was checked when the run began, or it was written in this run. What HDF5 said of it is kept.
        if number not in self._stores:
            self._stores[number] = self._cache.open(self._paths[number], sealed=False)
        return self._stores[number]

    def pieces(self, *names: str) -> Iterator[tuple[NDArray[np.int64], dict[str, Array]]]:
        """Yield columns shard by shard: the items, and the values of their rows."""
        for items, rows, store in self.shards():
            yield items, {name: store[name][rows] for name in names}

    def lengths(self, name: str) -> NDArray[np.int64]:
        """Count the bytes of every row of a ragged column, (N,)."""
        lengths = np.zeros(len(self), np.int64)
        for items, rows, store in self.shards():
            lengths[items] = np.diff(store[offset_name(name)].astype(np.int64))[rows]
        return lengths


def assemble_store(
    path: Path,
    schema: str,
    *,
    rows: int,
    source: CachedRows,
    at: NDArray[np.int64],
    fields: Mapping[str, Field],
    ragged: Sequence[str] = (),
    columns: Mapping[str, Array],
    fingerprint: str,
    attributes: Mapping[str, Attribute],
    beside: Sequence[str] = (),
    sources: Mapping[str, str] | None = None,
) -> None:
    """Write a store from cached rows, shard by shard.

    Args:
        path: Output file.
        schema: Kind of store.
        rows: Number of rows of the output.
        source: Cached rows, N of them.
        at: (N,) output row of each cached row.
        fields: Columns taken from the cached rows; other rows are blank.
        ragged: Ragged columns taken from the cached rows; other rows are empty.
        columns: Columns in memory, one entry per output row.
        fingerprint: Hash of everything that decided the content.
        attributes: Further attributes.
        beside: Plain files of the same stage whose sha256 the store keeps, see ``open_writer``.
        sources: Hashes of the inputs that the store keeps, see ``open_writer``.

    Raises:
        StoreError: The disk refuses, or the cache has lost a shard.
    """
    bounds = {name: _bounds(source, name, at, rows) for name in ragged}
    memory = {**columns, **{offset_name(name): values for name, values in bounds.items()}}
    specs = {name: ColumnSpec.of(values) for name, values in memory.items()}
    specs |= {name: ColumnSpec(np.dtype(field.dtype), (rows, *field.shape)) for name, field in fields.items()}
    specs |= {name: ColumnSpec(np.dtype(np.uint8), (int(values[-1]),)) for name, values in bounds.items()}
    with open_writer(
        path, schema, specs, fingerprint=fingerprint, attributes=attributes, beside=beside, sources=sources
    ) as writer:
        for name, values in memory.items():
            writer.write(name, 0, values)
        _write_blanks(writer, fields, at, rows)
        for items, cached, store in source.shards():
            _write_shard(writer, fields, bounds, at[items], cached, store)


def _bounds(source: CachedRows, name: str, at: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    bounds = np.zeros(rows + 1, np.int64)
    bounds[at + 1] = source.lengths(name)
    return np.cumsum(bounds)


def _write_blanks(writer: StoreWriter, fields: Mapping[str, Field], at: NDArray[np.int64], rows: int) -> None:
    absent = np.ones(rows, np.bool_)
    absent[at] = False
    positions = np.flatnonzero(absent)
    for first, last in runs(positions):
        end = int(positions[last - 1]) + 1
        for start in range(int(positions[first]), end, _BLANK_ROWS):
            count = min(_BLANK_ROWS, end - start)
            for name, field in fields.items():
                writer.write(name, start, np.full((count, *field.shape), field.blank, field.dtype))


def _write_shard(
    writer: StoreWriter,
    fields: Mapping[str, Field],
    bounds: Mapping[str, NDArray[np.int64]],
    out: NDArray[np.int64],
    rows: NDArray[np.int64],
    store: Store,
) -> None:
    for name, field in fields.items():
        values = store[name][rows].astype(field.dtype, copy=False)
        for first, last in runs(out):
            writer.write(name, int(out[first]), values[first:last])
    for name, starts in bounds.items():
        inside, data = store[offset_name(name)].astype(np.int64), store[name]
        # Rows that are neighbours here and there are copied together.
        for first, last in runs(out, rows):
            piece = data[int(inside[rows[first]]) : int(inside[rows[last - 1] + 1])]
            writer.write(name, int(starts[out[first]]), piece)

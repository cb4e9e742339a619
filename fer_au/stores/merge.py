"""One store from several of the same kind: the parts of a data set that were computed in different places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.errors import StoreError
from fer_au.fingerprints import fingerprint
from fer_au.stores.columns import Array, ColumnSpec, is_offset, offset_name, ragged_names
from fer_au.stores.reader import Store, runs
from fer_au.stores.schemas import SCHEMAS
from fer_au.stores.writer import open_writer

_ROWS = 1024


def merge_stores(paths: Sequence[Path], output: Path) -> int:
    """Merge stores by id.

    The rows are sorted by id, so that the result does not depend on the order of the parts. An id that several parts
    hold must have equal rows in them.

    Args:
        paths: Files of the parts, which have one schema, equal attributes and equal columns. Optional columns of the
            schema that one of them lacks are left out.
        output: Path of the merged store.

    Returns:
        Its number of rows.

    Raises:
        StoreError: A part is damaged, has another schema or tables, or contradicts another part; the message names the
            fault.
    """
    stores = [Store.open_any(path) for path in paths]
    for store in stores:
        schema = SCHEMAS.get(store.schema.removeprefix("fer_au.").split("/")[0])
        if schema is not None and schema.whole:
            raise StoreError(f"{store.path}: a store of {schema.kind} can't be merged with another: {schema.whole}")
        _check_alike(stores[0], store)
    ids = np.concatenate([store["id"] for store in stores])
    part = np.repeat(np.arange(len(stores)), [len(store) for store in stores])
    row = np.concatenate([np.arange(len(store)) for store in stores])
    order = np.argsort(ids, kind="stable")
    repeated = np.flatnonzero(ids[order][1:] == ids[order][:-1]) + 1
    for place in repeated.tolist():
        first, second = order[place - 1], order[place]
        _check_equal(stores[part[first]], int(row[first]), stores[part[second]], int(row[second]))
    order = np.delete(order, repeated)
    merged = _Merged(stores, part[order], row[order], ids[order])
    merged.write(output)
    return len(order)


class _Merged:
    """The merged rows: for each, its part and its row there.

    Args:
        stores: Parts.
        part: (N,) numbers of the parts.
        row: (N,) rows in these parts.
        ids: (N,) ids, sorted.
    """

    def __init__(self, stores: Sequence[Store], part: NDArray[np.int64], row: NDArray[np.int64], ids: Array) -> None:
        self.stores = stores
        self.part = part
        self.row = row
        self.ids = ids
        names = _common_columns(stores)
        self.ragged = ragged_names(names)
        self.plain = [name for name in names if name != "id" and name not in self.ragged and not is_offset(name)]

    def write(self, output: Path) -> None:
        rows = len(self.ids)
        bounds = {name: self._bounds(name) for name in self.ragged}
        specs = {"id": ColumnSpec.of(self.ids)}
        for name in self.plain:
            dtype = np.result_type(*(store.specs[name].dtype for store in self.stores))
            specs[name] = ColumnSpec(dtype, (rows, *self.stores[0].specs[name].shape[1:]))
        for name, values in bounds.items():
            specs[name] = ColumnSpec(np.dtype(np.uint8), (int(values[-1]),))
            specs[offset_name(name)] = ColumnSpec.of(values)
        identity = fingerprint("merge", 1, {"parts": sorted({store.fingerprint for store in self.stores})})
        first, *others = self.stores
        alike = {key: value for key, value in first.attributes.items() if _all_say(others, key, value)}
        kind = first.schema.removeprefix("fer_au.").split("/")[0]
        with open_writer(output, kind, specs, fingerprint=identity, attributes=alike) as writer:
            writer.write("id", 0, self.ids)
            for name, values in bounds.items():
                writer.write(offset_name(name), 0, values)
            for start in range(0, rows, _ROWS):
                for name in self.plain:
                    writer.write(name, start, self._plain_rows(name, start, specs[name]))
                for name, values in bounds.items():
                    writer.write(name, int(values[start]), self._ragged_rows(name, start))

    def _bounds(self, name: str) -> NDArray[np.int64]:
        lengths = np.zeros(len(self.ids), np.int64)
        for number, store in enumerate(self.stores):
            mine = self.part == number
            lengths[mine] = np.diff(store[offset_name(name)].astype(np.int64))[self.row[mine]]
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])

    def _plain_rows(self, name: str, start: int, spec: ColumnSpec) -> Array:
        """Gather one block of a plain column, from row ``start`` on."""
        part, row = self.part[start : start + _ROWS], self.row[start : start + _ROWS]
        values = np.empty((len(part), *spec.shape[1:]), spec.dtype)
        for number in np.unique(part).tolist():
            mine = np.flatnonzero(part == number)
            rows, store = row[mine], self.stores[number]
            # Rows of a part that was sorted itself are neighbours: few reads.
            pieces = [store.rows(name, int(rows[first]), int(rows[last - 1]) + 1) for first, last in runs(rows)]
            values[mine] = np.concatenate(pieces)
        return values

    def _ragged_rows(self, name: str, start: int) -> Array:
        pairs = zip(self.part[start : start + _ROWS].tolist(), self.row[start : start + _ROWS].tolist(), strict=True)
        return np.frombuffer(b"".join(self.stores[part].ragged(row, name) for part, row in pairs), np.uint8)


def _common_columns(stores: Sequence[Store]) -> list[str]:
    return [name for name in stores[0].columns if all(name in store for store in stores)]


def _all_say(stores: Sequence[Store], key: str, value: object) -> bool:
    return all(store.attributes.get(key) == value for store in stores)


def _check_alike(first: Store, other: Store) -> None:
    if other.schema != first.schema:
        raise StoreError(f"{other.path}: is {other.schema}, but {first.path} is {first.schema}")
    schema = SCHEMAS.get(first.schema.removeprefix("fer_au.").split("/")[0])
    free = set(schema.free) if schema is not None else set()
    for key in sorted((first.attributes.keys() | other.attributes.keys()) - free):
        here, there = first.attributes.get(key), other.attributes.get(key)
        if here != there:
            raise StoreError(f"{other.path}: attribute {key} is {there!r}, but {first.path} has {here!r}")
    optional = schema.optional.keys() if schema is not None else set()
    if unlike := (set(other.columns) ^ set(first.columns)) - optional:
        names = ", ".join(sorted(unlike))
        raise StoreError(f"{other.path}: its columns are not those of {first.path} (only one has {names})")
    for name in _common_columns([first, other]):
        spec, its = first.specs[name], other.specs[name]
        if spec.shape[1:] != its.shape[1:] or spec.dtype.kind != its.dtype.kind:
            raise StoreError(f"{other.path}: column {name!r} is of another type or shape than in {first.path}")


def _check_equal(first: Store, row: int, second: Store, other: int) -> None:
    for name in _common_columns([first, second]):
        if is_offset(name):
            continue
        if offset_name(name) in first.columns:
            equal = first.ragged(row, name) == second.ragged(other, name)
        else:
            here, there = first.rows(name, row, row + 1), second.rows(name, other, other + 1)
            equal = np.array_equal(here, there, equal_nan=here.dtype.kind == "f")
        if not equal:
            id_ = first.rows("id", row, row + 1)[0].decode()
            raise StoreError(f"{first.path} and {second.path} have different rows of {id_} (column {name!r})")

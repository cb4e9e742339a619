"""Checks of shards before their rows are taken: whoever may write to a shared cache may leave anything there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fer_au.errors import StoreError
from fer_au.shards.assemble import Field
from fer_au.shards.cache import Keys, ShardCache
from fer_au.stores.columns import check_bounds, offset_name
from fer_au.stores.reader import Store


def open_sound(cache: ShardCache, path: Path, keys: Keys) -> Store:
    """Open a shard that has the bytes it is named after, the operation that it lies under, and the keys of its head.

    Raises:
        StoreError: It has not.
    """
    store = cache.open(path)
    if store.sealed_digest != path.stem:
        raise StoreError(f"{path}: its sha256 is not its name")
    if not np.array_equal(store["key"], keys):
        raise StoreError(f"{path}: its index doesn't name its rows")
    return store


def find_shard_fault(store: Store, fields: Mapping[str, Field], ragged: Sequence[str]) -> str:
    """Find a column that the operation doesn't write so.

    Args:
        store: Shard.
        fields: Columns with one entry per row, as the operation computes them.
        ragged: Columns of rows of bytes.

    Returns:
        What is wrong; empty if nothing.
    """
    rows = len(store)
    wanted = {name: (np.dtype(field.dtype), (rows, *field.shape)) for name, field in fields.items()}
    wanted |= {offset_name(name): (np.dtype(np.int64), (rows + 1,)) for name in ragged}
    for name, (dtype, shape) in wanted.items():
        spec = store.specs.get(name)
        if spec is None:
            return f"column {name!r} is missing"
        if (spec.dtype, spec.shape) != (dtype, shape):
            return f"column {name!r} is {spec.dtype} {spec.shape}, not {dtype} {shape}"
    for name in ragged:
        spec = store.specs.get(name)
        if spec is None or spec.dtype != np.uint8 or len(spec.shape) != 1:
            return f"column {name!r} is not bytes"
        try:
            check_bounds(name, store[offset_name(name)], spec.shape[0], str(store.path))
        except StoreError as error:
            return str(error).removeprefix(f"{store.path}: ")
    if other := sorted(set(store.columns) - {"key", *wanted, *ragged}):
        return f"column {other[0]!r} is unknown"
    return ""


def find_text_fault(store: Store, *names: str) -> str:
    """Find a text column with an entry that is no text; a long text may be cut within its last character."""
    for name in names:
        for text in store[name].tolist():
            try:
                text.decode()
            except UnicodeDecodeError as error:
                if error.start < store.specs[name].dtype.itemsize - 3:
                    return f"column {name!r} holds no UTF-8"
    return ""

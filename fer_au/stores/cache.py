"""The content-addressed shard cache: rows computed once, by anyone, kept outside DVC's outputs.

A row's address is the sha256 of the item's bytes under the fingerprint of the operation. Rows are kept in shards:
sealed stores that are written whole and named by their own sha256, so that a killed run leaves only complete shards,
a duplicate is harmless and no lock is needed.
``FER_AU_CACHE`` names the folder (a shared disk, say); default ``.fer_au/cache``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fer_au.errors import StoreError
from fer_au.stores.format import Array, offset_name, row_bounds
from fer_au.stores.reader import Store
from fer_au.stores.schemas import SCHEMAS
from fer_au.stores.writer import store_bytes, write_atomically

Columns = dict[str, Array]


def cache_root() -> Path:
    """The folder of the cache: ``FER_AU_CACHE`` or ``.fer_au/cache`` in the workspace."""
    return Path(os.environ.get("FER_AU_CACHE") or ".fer_au/cache")


class ShardCache:
    """The shards of one operation.

    Args:
        fingerprint: The operation's fingerprint.
        root: The cache folder.
    """

    def __init__(self, fingerprint: str, root: Path | None = None) -> None:
        self.fingerprint = fingerprint
        self.folder = (root or cache_root()) / fingerprint[:2] / fingerprint
        self._where: dict[str, tuple[Path, int]] = {}
        self._seen: set[Path] = set()

    def find(self, keys: Sequence[str]) -> set[str]:
        """Which of the keys the cache holds. A damaged shard counts as absent: its rows are computed again."""
        if self.folder.is_dir():
            for path in sorted(self.folder.glob("*.h5")):
                if path not in self._seen:
                    self._seen.add(path)
                    self._index(path)
        return {key for key in keys if key in self._where}

    def add(self, keys: Sequence[str], columns: Mapping[str, Array]) -> None:
        """Write one shard of rows; visible to others only when complete."""
        raw = np.frombuffer(b"".join(bytes.fromhex(key) for key in keys), np.uint8).reshape(-1, 32)
        data = store_bytes(SCHEMAS["shard"], {**columns, "key": raw}, self.fingerprint, {})
        path = self.folder / f"{hashlib.sha256(data).hexdigest()}.h5"
        write_atomically(path, data)
        self._seen.add(path)
        self._where.update({key: (path, row) for row, key in enumerate(keys)})

    def read(self, keys: Sequence[str]) -> Columns:
        """The columns of rows that ``find`` or ``add`` knows, in the keys' order.

        Raises:
            StoreError: A shard vanished or was damaged since.
        """
        stores = {path: self._open(path) for path in {self._where[key][0] for key in keys}}
        rows = [(stores[path], row) for path, row in (self._where[key] for key in keys)]
        names = [name for name in rows[0][0].columns if name != "key"] if rows else []
        columns: Columns = {}
        for name in names:
            if name == "offset" or name.endswith("_offset"):
                continue
            pieces = [_rows_of(store, name, row) for store, row in rows]
            columns[name] = _join(pieces)
            if offset_name(name) in names:
                columns[offset_name(name)] = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
        return columns

    def _index(self, path: Path) -> None:
        try:
            keys = self._open(path)["key"]
        except StoreError:
            return
        for row, key in enumerate(keys):
            self._where.setdefault(bytes(key).hex(), (path, row))

    def _open(self, path: Path) -> Store:
        store = Store.open(path, "shard")
        if store.fingerprint != self.fingerprint:
            raise StoreError(f"{path}: a shard of another operation")
        return store


def _rows_of(store: Store, name: str, row: int) -> Array:
    bounds = {key: store[key] for key in (offset_name(name),) if key in store}
    start, stop = row_bounds({**bounds, name: store[name]}, name, row, row + 1)
    return store[name][start:stop]


def _join(pieces: list[Array]) -> Array:
    """Concatenate; byte strings of several widths take the widest, and no trailing width a shard happened to need."""
    joined = np.concatenate(pieces)
    if joined.dtype.kind == "S":
        width = max((len(text) for text in joined.tolist()), default=1)
        return joined.astype(f"S{max(width, 1)}")
    return joined

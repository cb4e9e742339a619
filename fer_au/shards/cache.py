"""The content-addressed shard cache: rows computed once, by anyone, kept outside DVC's outputs.

A row's address is the sha256 of the item's bytes under the key of the operation (``code.rows``). Rows are kept in
shards: sealed stores that are written whole and named by their own sha256, so that a killed run leaves only complete
shards, a duplicate is harmless and no lock is needed. The keys of a shard's rows lie right after its seal, where they
are read without HDF5: looking a row up costs one small read per shard, however large the shards are.

``FER_AU_CACHE`` names the folder (a shared disk, say); default ``.fer_au/cache``. What is made below it has the
permissions of the folder itself, so that a lab decides once who may read and write.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.atomic import read_at, write_atomically
from fer_au.errors import StoreError
from fer_au.home import at_home
from fer_au.stores.columns import Array
from fer_au.stores.reader import Store
from fer_au.stores.schemas import SCHEMAS
from fer_au.stores.seal import USER_BLOCK, open_descriptor, read_seal
from fer_au.stores.writer import store_bytes

KEY_BYTES = 32
Keys = NDArray[np.uint8]
"""(N, 32) sha256 digests, one per row."""

_HEAD = 1 << 14
"""Bytes of a shard that are read at once: the seal and the keys of up to 496 rows."""


def cache_root() -> Path:
    """Find the folder of the cache: ``FER_AU_CACHE``, or ``.fer_au/cache`` in the workspace.

    Raises:
        ConfigError: The variable begins with the home folder of nobody.
    """
    return at_home(os.environ.get("FER_AU_CACHE") or ".fer_au/cache", "FER_AU_CACHE")


@dataclass(frozen=True)
class Shard:
    """One shard in memory, not yet written.

    Attributes:
        digest: sha256 of the sealed bytes, which is the shard's name.
        data: Bytes of the file.
    """

    digest: str
    data: bytearray

    @classmethod
    def of(cls, fingerprint: str, operation: str, keys: Keys, columns: Mapping[str, Array]) -> Shard:
        """Seal rows as a shard.

        Args:
            fingerprint: Key of the operation that computed the rows, see ``code.rows``.
            operation: Name of the operation, for people.
            keys: (N, 32) addresses of the rows.
            columns: Name -> array with one entry per row.
        """
        data = store_bytes(
            SCHEMAS["shard"], {**columns, "key": keys}, fingerprint, {"operation": operation}, index=keys.tobytes()
        )
        sealed = read_seal(bytes(data[:USER_BLOCK]))
        assert sealed is not None  # noqa: S101 (store_bytes has just made it)
        return cls(sealed[0], data)


class ShardCache:
    """The shards of one operation.

    Args:
        fingerprint: Key of the operation, see ``code.rows``.
        root: Folder of the cache; default ``cache_root()``.
    """

    def __init__(self, fingerprint: str, root: Path | None = None) -> None:
        self.fingerprint = fingerprint
        self.root = (root or cache_root()).absolute()
        self.folder = self.root / fingerprint[:2] / fingerprint

    def path(self, digest: str) -> Path:
        """Name the file of a shard."""
        return self.folder / f"{digest}.h5"

    def write(self, shard: Shard) -> None:
        """Write a shard; visible to others only when complete.

        Raises:
            StoreError: The disk refuses.
        """
        write_atomically(self.path(shard.digest), shard.data, prepare_folder(self.root, self.folder) & 0o444)

    def any(self) -> bool:
        """Tell whether the operation has any shard."""
        return next(self.folder.glob("*.h5"), None) is not None

    def keys(self) -> dict[Path, Keys]:
        """Read the keys of every shard from its head; files that are no shards are left out."""
        found: dict[Path, Keys] = {}
        for path in sorted(self.folder.glob("*.h5")) if self.folder.is_dir() else []:
            keys = _read_keys(path)
            if keys is not None:
                found[path] = keys
        return found

    def open(self, path: Path, *, sealed: bool = True) -> Store:
        """Open a shard.

        Args:
            path: File of the shard, one of ``keys()``.
            sealed: Whether its seal is checked; False if this run has done so already.

        Raises:
            StoreError: The shard vanished, is damaged, or belongs to another operation.
        """
        store = Store.open(path, "shard") if sealed else Store.open_unsealed(path, "shard")
        if store.fingerprint != self.fingerprint:
            raise StoreError(f"{path}: a shard of another operation")
        return store


def prepare_folder(root: Path, folder: Path) -> int:
    """Make a folder of the cache, with the permissions of the cache's own folder.

    Args:
        root: Folder of the cache; made if it is missing.
        folder: Folder below ``root``.

    Returns:
        The permission bits of the root, for what is made below it.

    Raises:
        StoreError: The disk refuses.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(root.stat().st_mode)
        missing = [path for path in (folder, *folder.parents) if path.is_relative_to(root) and not path.is_dir()]
        for path in reversed(missing):
            with suppress(FileExistsError):  # someone else has just made it
                path.mkdir()
                path.chmod(mode)
    except OSError as error:
        raise StoreError(f"{folder}: cannot write: {error.strerror or error}") from error
    return mode


class ShardIndex:
    """Finds the rows of some shards: a sorted table of keys, 40 bytes a row.

    Args:
        keys: Shard -> keys of its rows.
    """

    def __init__(self, keys: Mapping[Path, Keys]) -> None:
        self.paths = list(keys)
        counts = [len(rows) for rows in keys.values()]
        names = as_names(np.concatenate([np.zeros((0, KEY_BYTES), np.uint8), *keys.values()]))
        order = np.argsort(names, kind="stable").astype(np.int32)
        self._names = names[order]
        del names
        self._shard = np.repeat(np.arange(len(counts), dtype=np.int32), counts)[order]
        self._row = np.concatenate([np.zeros(0, np.int32), *(np.arange(n, dtype=np.int32) for n in counts)])[order]

    def locate(self, keys: Keys) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Find the shard (position in ``paths``) and the row of every key, both -1 for a key that no shard has."""
        wanted = as_names(keys)
        if len(self._names) == 0:
            absent = np.full(len(wanted), -1, np.int32)
            return absent, absent.copy()
        place = np.minimum(np.searchsorted(self._names, wanted), len(self._names) - 1)
        known = self._names[place] == wanted
        none = np.int32(-1)
        return np.where(known, self._shard[place], none), np.where(known, self._row[place], none)


def as_names(keys: Keys) -> NDArray[np.bytes_]:
    """View keys as fixed-length strings, which numpy sorts and compares byte by byte."""
    return np.ascontiguousarray(keys).view(f"S{KEY_BYTES}").reshape(-1)


def _read_keys(path: Path) -> Keys | None:
    """Read the keys in a shard's head; None if it has none."""
    try:
        descriptor = open_descriptor(path)
    except StoreError:  # pruned since the folder was listed
        return None
    try:
        head = read_at(descriptor, 0, _HEAD)
        sealed = read_seal(head[:USER_BLOCK])
        if sealed is None or sealed[1] % KEY_BYTES:
            return None
        index = head[USER_BLOCK:]
        if sealed[1] > len(index):
            index += read_at(descriptor, len(head), sealed[1] - len(index))
        keys = index[: sealed[1]]
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return np.frombuffer(keys, np.uint8).reshape(-1, KEY_BYTES) if len(keys) == sealed[1] else None

"""The content-addressed shard cache: rows computed once, by anyone, kept outside DVC's outputs.

A row's address is the sha256 of the item's bytes under the key of the operation (``code.rows``). Rows are kept in
shards: sealed stores that are written whole and named by their own sha256, so that a killed run leaves only complete
shards, a duplicate is harmless and no lock is needed. The keys of a shard's rows lie right after its seal, where they
are read without HDF5: looking a row up costs one small read per shard, however large the shards are.

``FER_AU_CACHE`` names the folder (a shared disk, say); default ``.fer_au/cache``. What is made below it has the
permissions of the folder itself, so that a lab decides once who may read and write. A run that finds all that it needs
only reads. One that has something to compute keeps it in the workspace's own folder where it may not write to the
lab's, and looks there, too; where the disk refuses for another reason, it ends by one line before it begins.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.atomic import TEMPORARY_SUFFIX, read_at, write_atomically
from fer_au.compute import log
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

_OWN = Path(".fer_au/cache")

_HEAD = 1 << 14
"""Bytes of a shard that are read at once: the seal and the keys of up to 496 rows."""


def cache_root() -> Path:
    """Find the folder of the cache: ``FER_AU_CACHE``, or ``.fer_au/cache`` in the workspace.

    Raises:
        ConfigError: The variable begins with the home folder of nobody.
    """
    return at_home(os.environ.get("FER_AU_CACHE") or _OWN, "FER_AU_CACHE")


def cache_roots() -> list[Path]:
    """List the folders in which cached work may lie: that of the cache, and the workspace's own if it is another one.

    Raises:
        ConfigError: As for ``cache_root``.
    """
    root, own = cache_root().absolute(), _OWN.absolute()
    return [root] if root.resolve() == own.resolve() else [root, own]


def writable_root(below: Path) -> Path:
    """Choose the folder that keeps new work: that of the cache, or the workspace's own where one may only read there.

    Args:
        below: Folder below the root that is to be written to; made.

    Raises:
        StoreError: The disk refuses.
    """
    root, *own = cache_roots()
    try:
        check_writable(root, root / below)
    except StoreError as error:
        if not own or not _is_forbidden(error):
            raise
    else:
        return root
    check_writable(own[0], own[0] / below)
    _say_which(root, own[0])
    return own[0]


def _is_forbidden(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error is not None and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)


@cache
def _say_which(root: Path, own: Path) -> None:
    log(f"{root}: can only be read (FER_AU_CACHE); what is computed is kept in {own}")


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
        root: Folder of the cache; default is to look in all ``cache_roots()`` and to write into the first.
    """

    def __init__(self, fingerprint: str, root: Path | None = None) -> None:
        self.fingerprint = fingerprint
        self._place = Path(fingerprint[:2], fingerprint)
        self._roots = [root.absolute()] if root else cache_roots()
        self.root = self._roots[0]

    @property
    def folder(self) -> Path:
        """Folder that shards are written into."""
        return self.root / self._place

    def make_writable(self) -> None:
        """Write from now on where that is allowed, see ``writable_root``.

        Raises:
            StoreError: The disk refuses.
        """
        self.root = writable_root(self._place)

    def path(self, digest: str) -> Path:
        """Name the file of a shard."""
        return self.folder / f"{digest}.h5"

    def write(self, shard: Shard) -> None:
        """Write a shard; visible to others only when complete.

        Raises:
            StoreError: The disk refuses.
        """
        with writing(self.folder):
            write_atomically(self.path(shard.digest), shard.data, prepare_folder(self.root, self.folder) & 0o444)

    def any(self) -> bool:
        """Tell whether the operation has any shard."""
        return bool(self._paths())

    def keys(self) -> dict[Path, Keys]:
        """Read the keys of every shard from its head; files that are no shards are left out."""
        found: dict[Path, Keys] = {}
        for path in self._paths():
            keys = _read_keys(path)
            if keys is not None:
                found[path] = keys
        return found

    def _paths(self) -> list[Path]:
        folders = (root / self._place for root in self._roots)
        return [path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.h5"))]

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


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say that it is the cache, and what to do, where the disk refuses what is to be kept below a folder of the cache.

    Raises:
        StoreError: The disk refuses.
    """
    remedy = "the cache must have room and let you write, or set FER_AU_CACHE to another folder"
    try:
        yield
    except StoreError as error:
        raise StoreError(f"{error}; {remedy}") from error
    except OSError as error:
        raise StoreError(f"{folder}: cannot write: {error.strerror or error}; {remedy}") from error


def check_writable(root: Path, folder: Path) -> None:
    """Refuse a cache that can't keep anything, before there is anything to keep.

    Args:
        root: Folder of the cache; made if it is missing.
        folder: Folder below ``root``; made, too.

    Raises:
        StoreError: The disk refuses.
    """
    with writing(folder):
        prepare_folder(root, folder)
        probe = folder / f".{secrets.token_hex(6)}{TEMPORARY_SUFFIX}"
        try:
            probe.touch(exist_ok=False)
        finally:
            probe.unlink(missing_ok=True)


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

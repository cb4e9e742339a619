"""Row-wise stages on the shard cache: missing rows are computed in parallel, and every row is located."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fer_au.code.rows import row_key
from fer_au.compute import Progress, log, map_unordered, open_workers, warm_workers
from fer_au.errors import StoreError
from fer_au.shards.assemble import CachedRows
from fer_au.shards.cache import Keys, Shard, ShardCache, ShardIndex, as_names
from fer_au.shards.damaged import set_aside
from fer_au.shards.sound import open_sound
from fer_au.stores.columns import Array
from fer_au.stores.reader import Store

_CHECKERS = 4
"""Threads that check the seals of shards; hashing and reading let other threads run."""


class Operation(Protocol):
    """A picklable function from payloads to columns, one row each, in order.

    A fault of one item is encoded in its row (``status``, ``detail``), never raised. Columns have the same types and
    row shapes for all payloads. Rows of bytes are packed by ``pack_ragged``.
    """

    @property
    def name(self) -> str:
        """Name in progress lines and in ``fer-au cache info``."""
        ...

    @property
    def fingerprint(self) -> str:
        """sha256 of everything that decides the result, see ``fer_au.fingerprints``."""
        ...

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the modules whose code decides a row: its own, and those of the parts that it uses."""
        ...

    @property
    def shard_rows(self) -> int:
        """Number of rows computed and kept together, about half a second's work: a killed worker loses no more."""
        ...

    def __call__(self, payloads: Sequence[Any]) -> Mapping[str, Array]:
        """Compute the columns of some rows."""
        ...

    def faults(self, columns: Mapping[str, Array]) -> int:
        """Count the rows that will be rejects, for the progress display."""
        ...

    def wrong(self, shard: Store) -> str:
        """Say what is wrong with rows of the cache, which the operation can't have computed; empty if nothing is."""
        ...


@dataclass(frozen=True)
class _Task:
    """One shard to compute."""

    keys: Keys
    payloads: Sequence[Any]


@dataclass(frozen=True)
class _Result:
    """A computed shard: on the disk already, or still in memory where the worker has no access to the cache."""

    digest: str
    keys: Keys
    faults: int
    shard: Shard | None


@dataclass(frozen=True)
class _ShardWorker:
    """Runs in workers: computes a shard and keeps it at once, so that a killed run loses only unfinished shards."""

    operation: Operation
    key: str
    root: Path | None

    def __call__(self, task: _Task) -> _Result:
        columns = self.operation(task.payloads)
        shard = Shard.of(self.key, self.operation.name, task.keys, columns)
        faults = self.operation.faults(columns)
        if self.root is None:
            return _Result(shard.digest, task.keys, faults, shard)
        ShardCache(self.key, self.root).write(shard)
        return _Result(shard.digest, task.keys, faults, None)


def warm_up(operation: Operation, rows: int) -> None:
    """Begin to load the workers' needs while the stage still reads its inputs, if the cache holds no row at all.

    An operation's ``load``, if it has one, runs once and its memory is shared, see ``compute.warm_workers``.
    """
    if not ShardCache(row_key(operation)).any():
        warm_workers(rows // operation.shard_rows, operation)


def compute_rows(keys: Keys, payloads: Callable[[Sequence[int]], Sequence[Any]], operation: Operation) -> CachedRows:
    """Locate the rows of items in the shard cache, after computing the missing ones.

    Missing rows are computed in shards; every finished shard is kept at once, so a killed run loses at most one shard
    per worker. Items with equal keys are computed once. Memory: about 100 bytes per item, whatever the rows hold.

    Args:
        keys: (N, 32) sha256 of all bytes that an item's row depends on besides the operation's fingerprint.
        payloads: Function from positions of items to their payloads, from which the operation loads the items; small
            and picklable.
        operation: Operation that computes rows.

    Returns:
        The places of the rows, one per item, in the items' order.

    Raises:
        StoreError: The disk refuses.
        FerAuError: A worker died.
    """
    cache = ShardCache(row_key(operation))
    known = _sound_shards(cache, keys, operation)
    missing = np.flatnonzero(ShardIndex(known).locate(keys)[0] < 0)
    if len(missing):
        cache.make_writable()
        _, first = np.unique(as_names(keys[missing]), return_index=True)
        missing = missing[np.sort(first)]
        for path, new in _compute(cache, keys, missing, payloads, operation):
            known[path] = new
    elif len(keys):
        log(f"{operation.name}: all {len(keys)} rows were cached")
    index = ShardIndex(known)
    del known
    return CachedRows(cache, index.paths, *index.locate(keys))


def _compute(
    cache: ShardCache,
    keys: Keys,
    missing: NDArray[np.int64],
    payloads: Callable[[Sequence[int]], Sequence[Any]],
    operation: Operation,
) -> Iterator[tuple[Path, Keys]]:
    size = operation.shard_rows
    starts = range(0, len(missing), size)

    def tasks() -> Iterator[_Task]:
        for start in starts:
            members = missing[start : start + size]
            yield _Task(keys[members], payloads(members.tolist()))

    with Progress(operation.name, len(missing)) as progress, open_workers(len(starts), runs=operation) as workers:
        worker = _ShardWorker(operation, cache.fingerprint, cache.root if workers.local else None)
        for result in map_unordered(workers, worker, tasks()):
            if result.shard is not None:
                cache.write(result.shard)
            progress.advance(len(result.keys), result.faults)
            yield cache.path(result.digest), result.keys


def _sound_shards(cache: ShardCache, keys: Keys, operation: Operation) -> dict[Path, Keys]:
    """List the sound shards that hold any of the keys.

    One that is damaged, or that the operation can't have written, counts as absent: its rows are computed again.
    """
    shards = cache.keys()
    index = ShardIndex(shards)
    needed = np.unique(index.locate(keys)[0])
    paths = [index.paths[number] for number in needed.tolist() if number >= 0]
    with ThreadPoolExecutor(_CHECKERS) as pool:
        sound = list(pool.map(lambda path: _is_sound(cache, path, shards[path], operation), paths))
    return {path: shards[path] for path, good in zip(paths, sound, strict=True) if good}


def _is_sound(cache: ShardCache, path: Path, keys: Keys, operation: Operation) -> bool:
    fault = ""
    try:
        store = open_sound(cache, path, keys)
        fault = operation.wrong(store)
        store.release()
    except StoreError as error:
        fault = str(error).removeprefix(f"{path}: ")
    if fault:
        if path.exists():  # or else pruned a moment ago
            set_aside(path, path.parents[2], fault, "its rows are computed again")
        return False
    with suppress(OSError):  # someone else's file: only its owner may say when it was used
        os.utime(path)
    return True

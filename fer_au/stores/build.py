"""Row-wise stages on the shard cache: compute what is missing, in parallel, and hand back all rows in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fer_au.compute import batched, log, map_ordered
from fer_au.stores.cache import Columns, ShardCache
from fer_au.stores.format import Array

SHARD_ROWS = 64


@dataclass(frozen=True)
class Item:
    """One row to compute.

    Attributes:
        id: The id of the output row.
        key: sha256 hex of all bytes the result depends on besides the operation's fingerprint.
        payload: What the operation needs to load it; small and picklable.
    """

    id: str
    key: str
    payload: Any


class Operation(Protocol):
    """A picklable function from payloads to columns, one row each, in order.

    A fault of one item is encoded in its row (``status``, ``detail``), never raised. Rows of bytes are packed by
    ``pack_ragged``.
    """

    @property
    def name(self) -> str:
        """For progress lines."""
        ...

    @property
    def fingerprint(self) -> str:
        """sha256 of everything that decides the result, see ``stores.fingerprints``."""
        ...

    def __call__(self, payloads: Sequence[Any]) -> Mapping[str, Array]:
        """Compute the columns of some rows."""
        ...


def compute_rows(items: Sequence[Item], operation: Operation, *, shard_rows: int = SHARD_ROWS) -> Columns:
    """All rows of ``items``, from the shard cache where it has them.

    Missing rows are computed in shards of ``shard_rows``; every finished shard is kept at once, so a killed run loses
    at most one shard per worker. Items with equal keys are computed once.

    Returns:
        The operation's columns, one row per item, in the items' order: the same whatever was cached and however many
        workers ran.
    """
    cache = ShardCache(operation.fingerprint)
    first_of = {item.key: item for item in reversed(items)}
    known = cache.find(list(first_of))
    missing = [first_of[key] for key in dict.fromkeys(item.key for item in items) if key not in known]
    shards = batched(missing, shard_rows)
    payloads = [[item.payload for item in shard] for shard in shards]
    results = map_ordered(operation, payloads, label=operation.name, weights=[len(shard) for shard in shards])
    for shard, columns in zip(shards, results, strict=True):
        cache.add([item.key for item in shard], columns)
    if items and not missing:
        log(f"{operation.name}: all {len(items)} rows were cached")
    return cache.read([item.key for item in items])

"""The content-addressed shard cache: rows computed once, by anyone, and stores assembled from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.shards.compute import Operation as Operation
    from fer_au.shards.compute import compute_rows as compute_rows

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Operation": ".compute",
        "compute_rows": ".compute",
    },
)

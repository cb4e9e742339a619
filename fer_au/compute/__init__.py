"""Parallel maps over local processes or a Dask cluster, with progress: the one way to run the work of a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.compute.mapping import batched as batched
    from fer_au.compute.mapping import in_order as in_order
    from fer_au.compute.mapping import map_ordered as map_ordered
    from fer_au.compute.mapping import map_unordered as map_unordered
    from fer_au.compute.progress import Progress as Progress
    from fer_au.compute.progress import in_words as in_words
    from fer_au.compute.progress import log as log
    from fer_au.compute.workers import open_workers as open_workers
    from fer_au.compute.workers import warm_workers as warm_workers
    from fer_au.compute.workers import worker_count as worker_count

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Progress": ".progress",
        "batched": ".mapping",
        "in_order": ".mapping",
        "in_words": ".progress",
        "log": ".progress",
        "map_ordered": ".mapping",
        "map_unordered": ".mapping",
        "open_workers": ".workers",
        "warm_workers": ".workers",
        "worker_count": ".workers",
    },
)

"""Data sets of any layout become one manifest: adapters, splits, the ingest stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.batches.samples import open_faces as open_faces
    from fer_au.datasets.base import ADAPTERS as ADAPTERS
    from fer_au.datasets.base import Adapter as Adapter
    from fer_au.datasets.base import Annotations as Annotations
    from fer_au.datasets.base import Record as Record
    from fer_au.datasets.base import Scan as Scan
    from fer_au.datasets.base import create_adapter as create_adapter
    from fer_au.datasets.base import list_adapters as list_adapters
    from fer_au.datasets.base import load_dataset_config as load_dataset_config
    from fer_au.datasets.manifest import ManifestRow as ManifestRow
    from fer_au.datasets.manifest import read_manifest as read_manifest
    from fer_au.datasets.manifest import write_manifest as write_manifest
    from fer_au.datasets.stage import ingest_dataset as ingest_dataset
    from fer_au.datasets.stage import survey_dataset as survey_dataset

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "ADAPTERS": ".base",
        "Adapter": ".base",
        "Annotations": ".base",
        "ManifestRow": ".manifest",
        "Record": ".base",
        "Scan": ".base",
        "create_adapter": ".base",
        "ingest_dataset": ".stage",
        "list_adapters": ".base",
        "load_dataset_config": ".base",
        "open_faces": "..batches.samples",
        "read_manifest": ".manifest",
        "survey_dataset": ".stage",
        "write_manifest": ".manifest",
    },
)

"""What decides an evaluation, however model and data set are called: by its hash, finished work is found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from fer_au.batches.faces import FaceDataset
from fer_au.code.software import library_releases
from fer_au.code.stages import work_code
from fer_au.config.experiments import EvaluateConfig
from fer_au.evaluation.metrics_file import read_metrics
from fer_au.evaluation.scored_model import ScoredModel
from fer_au.fingerprints import file_digest
from fer_au.stores import Store
from fer_au.stores.beside import KEEPERS
from fer_au.stores.reader import check_table


def identity_of(scored: ScoredModel, config: EvaluateConfig, device: torch.device) -> dict[str, Any]:
    """Give everything that decides an evaluation but the names of model and data set."""
    dataset, meta = scored.dataset, scored.meta
    annotations = Store.open(dataset.dataset_dir / "annotations.h5", "annotations")
    # Expressions are compared by maps that are drawn here, so what draws them counts beside the stored maps.
    drawn = {"codebook": dataset.codebook.sha256, "geometry": str(dataset.heatmap_options["geometry"])}
    sections = {"evaluate": {"cams": list(config.cams)}, "heatmaps": {"geometry": drawn["geometry"]}}
    return {
        "code": work_code("evaluate", {"model": meta["model"]}, sections),
        "config": config.model_dump(mode="json"),
        "model": {key: value for key, value in meta.items() if key not in ("experiment", "data", "versions", "files")},
        "fold": scored.fold,
        "drawn": drawn,
        "data": {**data_hashes(dataset), "annotations.h5": annotations.content_sha256},
        "software": {"device": device.type, **library_releases({"torch", "timm", "torchvision", "numpy", "scipy"})},
        "seen": scored.seen and scored.seen.number,
    }


def data_hashes(dataset: FaceDataset) -> dict[str, str]:
    """Hash the data that an evaluation reads: stores and reject tables, which the report shows."""
    return {**dataset.content_hashes(), **_table_hashes(dataset.dataset_dir / "rejects")}


def _table_hashes(folder: Path) -> dict[str, str]:
    """Hash every reject table (sha256), if it is as its stage wrote it."""
    for name in KEEPERS:
        if name.startswith(f"{folder.name}/"):
            check_table(folder.parent, name, sealed=False)  # whoever reads the data has checked the seals
    return {path.name: file_digest(path) for path in sorted(folder.glob("*.csv"))}


def check_finished(folder: Path) -> None:
    """Read the files of a finished evaluation.

    Raises:
        DataError: One of them can't be used.
    """
    store = folder / "evaluation.h5"
    content = Store.open(store, "evaluation").content_sha256 if store.exists() else None
    read_metrics(folder / "metrics.json", folder / "detail.json", content)

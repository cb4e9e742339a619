"""Guidance of a small model on the blob faces, for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from fer_au.batches.faces import Batch, FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.config.experiments import GuidanceConfig
from fer_au.models import FerModel, create_model
from fer_au.models.network import ModelOutput
from fer_au.stores import Store
from fer_au.training.guidance import Guidance

SIZE = 32


def build(
    folder: Path, *entries: dict[str, Any], head: str = "gap", clusters: Store | None = None
) -> tuple[Guidance, FerModel, FaceDataset]:
    """Build guidance from entries of ``guidance``, with the model and the training faces that it belongs to."""
    faces = FaceDataset(folder, "train", SIZE)
    model = create_model({"backbone": "test_resnet", "output_stride": 8, "head": head}, faces.classes, seed=0)
    configs = [GuidanceConfig.model_validate(entry) for entry in entries]
    return Guidance(configs, model, faces, 0, clusters), model, faces


def run(model: FerModel, batch: Batch) -> ModelOutput:
    """Apply the model to a batch as it is, without augmentation."""
    output: ModelOutput = model(Preprocessing(SIZE)(batch.images))
    return output


def shares(batch: Batch) -> torch.Tensor:
    """Give each image its whole label, (N, 4)."""
    return functional.one_hot(batch.labels, 4).float()


def still(count: int) -> torch.Tensor:
    """Say of each image that it is not mirrored."""
    return torch.zeros(count, dtype=torch.bool)


def value(
    guidance: Guidance, output: ModelOutput, batch: Batch, time: float = 0, **options: Any
) -> dict[str, torch.Tensor]:
    """Compute the losses of a batch without augmentation, at a time in epochs."""
    return guidance.losses(output, guidance.targets(batch, still(len(batch))), shares(batch), time, **options)


def of_class(faces: FaceDataset, name: str) -> list[int]:
    """List the positions of the faces of a class."""
    return [i for i, label in enumerate(faces.labels) if faces.classes[label] == name]

"""A trainer of a small model on the blob faces, for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.config.experiments import GuidanceConfig, TrainConfig
from fer_au.models import FerModel, create_model
from fer_au.training.guidance import Guidance
from fer_au.training.trainer import Trainer

SIZE = 32
STILL = {
    "flip": 0, "rotate": 0, "scale": (1, 1), "shift": 0,
    "brightness": 0, "contrast": 0, "saturation": 0, "grayscale": 0, "erase": 0,
}  # fmt: skip
# Heads whose published hidden layers are wider than the whole toy.
NARROW = {"acol": {"width": 16}}
AU = {"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 2.0}


def settings(**changes: Any) -> TrainConfig:
    """Make settings without augmentation, with changes."""
    base = {"epochs": 2, "batch_size": 8, "image_size": SIZE, "precision": "fp32", "augment": STILL}
    return TrainConfig.model_validate({**base, **changes})


def make_trainer(
    folder: Path,
    config: TrainConfig,
    guidance: Sequence[dict[str, Any]] = (),
    weights: torch.Tensor | None = None,
    head: str = "gap",
) -> tuple[Trainer, FaceDataset]:
    """Make a trainer, and the training faces of a data set."""
    faces = FaceDataset(folder, "train", SIZE)
    options = NARROW.get(head, {})
    chosen = {"backbone": "test_resnet", "output_stride": 8, "head": head, "head_options": options}
    model = create_model(chosen, faces.classes, seed=0)
    entries = [GuidanceConfig.model_validate(entry) for entry in guidance]
    trainer = Trainer("toy", model, Guidance(entries, model, faces, 0), config, 0, Preprocessing(SIZE), weights)
    return trainer, faces


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def parameters(model: FerModel) -> torch.Tensor:
    """Join all parameters in one vector."""
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

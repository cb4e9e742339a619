"""Small files of weights, and models that start from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from fer_au.models import FerModel
from fer_au.models.network import build_model
from fer_au.models.weights import load_pretrained

CLASSES = ("neutral", "happiness", "surprise", "anger")
TINY = "test_resnet"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))


def randomised(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a trained kind: no norm is the identity, no variance is 0."""
    generator = torch.Generator().manual_seed(0)

    def draw(name: str, old: Tensor) -> Tensor:
        if not old.is_floating_point():
            return old + 7
        if old.ndim > 1:
            return torch.randn(old.shape, generator=generator) / old[0].numel() ** 0.5
        return torch.rand(old.shape, generator=generator) + 0.5 * ("var" in name)

    return {name: draw(name, value) for name, value in tensors.items()}


def tensors_of(backbone: str, **options: Any) -> dict[str, Tensor]:
    """A timm model's tensors with its classifier, as its published files have them."""
    return randomised(timm.create_model(backbone, num_classes=10, **options).state_dict())


def load(path: Path | str, backbone: str = TINY, **options: Any) -> FerModel:
    model = build_model({"backbone": backbone, "weights": str(path), **options}, CLASSES, seed=1).eval()
    load_pretrained(model)
    return model


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def has(model: FerModel, tensors: dict[str, Tensor]) -> bool:
    own = model.backbone.network.state_dict()
    return all(torch.equal(value, tensors[name]) for name, value in own.items())

"""What every network of the project promises: layers, shapes, gradients, class maps, checked options."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fer_au.errors import ConfigError
from fer_au.models import FerModel, create_model
from fer_au.models.nets.base import NETS

CLASSES = ("neutral", "happiness", "surprise")
SIDES = {"csci-cnn": 48}  # it takes no other
NAMES = NETS.names()


def build(name: str) -> FerModel:
    return create_model({"backbone": name}, CLASSES, seed=0)


def images(name: str) -> Tensor:
    side = SIDES.get(name, 64)
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
def test_features_scores_and_maps_fit_together(name: str) -> None:
    model = build(name).eval()
    assert model.layers == tuple(str(number) for number in range(1, len(model.layers) + 1))
    assert model.backbone.name == name
    with torch.no_grad():
        output = model(images(name))
        maps = model.class_maps(output)
    assert tuple(output.features) == model.layers
    assert all(features.ndim == 4 and len(features) == 2 for features in output.features.values())
    assert output.final.shape[1] == model.backbone.channels
    assert output.logits.shape == (2, 3)
    assert maps.shape == (2, 3, *output.final.shape[2:])
    assert torch.isfinite(maps).all()


@pytest.mark.parametrize("name", NAMES)
def test_training_reaches_every_parameter(name: str) -> None:
    model = build(name).train()
    model(images(name), torch.tensor([0, 2])).logits.square().sum().backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_one_line_that_names_its_key(name: str) -> None:
    for key in ("backbone_options", "head_options"):
        of_head = key == "head_options" and NETS.get(name).head is None
        owner = "head 'gap'" if of_head else f"network '{name}'"
        message = rf"^{owner}: model\.{key}\.nothing: unknown key; "
        with torch.device("meta"), pytest.raises(ConfigError, match=message):
            create_model({"backbone": name, key: {"nothing": 1}}, CLASSES)

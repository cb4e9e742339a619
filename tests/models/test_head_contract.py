"""What every head promises: shapes, float32, gradients, evaluation without labels, maps, files, copies, guidance."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fer_au.cam import compute_cam, list_cams, resolve_cams
from fer_au.errors import ConfigError
from fer_au.maps import channel_mean, shift_non_negative
from fer_au.models import FerModel, create_model, list_heads, load_model, save_model
from fer_au.models.heads.base import HEADS
from fer_au.models.network import ModelOutput
from fer_au.models.parts import Head, HeadOutput, TrunkOutput
from fer_au.resizing import resize_maps
from fer_au.training.losses.base import create_loss

CLASSES = ("neutral", "happiness", "surprise", "anger")
LABELS = torch.tensor([0, 3, 2])
CNN = {"backbone": "resnet10t", "output_stride": 8}
MODELS: dict[str, dict[str, Any]] = {
    "acol": {**CNN, "head_options": {"width": 16}},
    "apvit": {**CNN, "head_options": {"dim": 16, "depth": 4, "heads": 2, "k": 0.6, "keep": 0.8, "grid": 4}},
    "grid": {**CNN, "head_options": {"cells": 3}},
    "lan": {**CNN, "head_options": {"widths": [16, 8]}},
    "mlp": {**CNN, "head_options": {"hidden": [16]}},
    "ts_cam": {"backbone": "deit_tiny_patch16_224"},
}
NAMES = [*list_heads(), "third_party"]


class ThirdPartyHead(Head):
    """A head as another package may add it: no map of its own, and class maps left to the base class."""

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        self.hidden = torch.nn.Linear(channels, 8)
        self.linear = torch.nn.Linear(8, classes)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        return HeadOutput(self.linear(self.hidden(trunk.final.amax((2, 3))).tanh()))


@pytest.fixture(autouse=True)
def third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HEADS._entries, "third_party", ThirdPartyHead)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def build(name: str) -> FerModel:
    """A model whose head is away from its fresh weights, which may be zero."""
    model = create_model({**MODELS.get(name, CNN), "head": name}, CLASSES, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return model


def images_for(model: FerModel) -> Tensor:
    return torch.randn(3, 3 * model.views, 32, 32, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_scores_and_maps_have_their_shapes_in_float32_even_under_autocast(
    name: str, training: bool, channels_last: bool
) -> None:
    model = build(name).train(training)
    images = images_for(model)
    if channels_last:
        model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = model(images, LABELS if training else None)
        maps = model.class_maps(output)
    grid = tuple(output.final.shape[2:])
    seen = [output.final, *output.features.values(), *output.trunk.attentions]
    assert torch.bfloat16 in {part.dtype for part in seen}
    assert output.logits.shape == (3, 4)
    assert maps.shape == (3, 4, *grid)
    assert all(logits.shape == (3, 4) for logits in output.auxiliary)
    assert output.attention is None or output.attention.shape == (3, *grid)
    parts = [output.logits, maps, *output.auxiliary, *([] if output.attention is None else [output.attention])]
    assert {part.dtype for part in parts} == {torch.float32}
    assert all(torch.isfinite(part).all() for part in parts)
    assert not any(part.requires_grad for part in parts)


@pytest.mark.parametrize("training", [False, True])
def test_the_head_computes_inside_autocast_what_it_computes_outside(
    name: str, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(name).train(training)
    labels = LABELS if training else None
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            torch.manual_seed(3)  # dropout
            inside = model(images_for(model), labels)
            inside_maps = model.class_maps(inside)
        context = None if inside.trunk.context is None else inside.trunk.context.float()
        trunk = inside.trunk._replace(final=inside.final.float(), context=context)
        monkeypatch.setattr(model, "trunk", lambda _: trunk)
        torch.manual_seed(3)
        outside = model(images_for(model), labels)
        outside_maps = model.class_maps(outside)
    assert torch.bfloat16 in {part.dtype for part in (inside.final, *inside.trunk.attentions)}
    assert torch.equal(inside.logits, outside.logits)
    assert torch.equal(inside_maps, outside_maps)
    assert all(map(torch.equal, inside.auxiliary, outside.auxiliary))
    assert inside.attention is None or torch.equal(inside.attention, outside.attention)


def test_training_gives_every_parameter_of_the_head_a_gradient(name: str) -> None:
    model = build(name).train()
    torch.manual_seed(0)
    output = model(images_for(model), LABELS)
    sum(functional.cross_entropy(logits, LABELS) for logits in (output.logits, *output.auxiliary)).backward()
    without = [key for key, parameter in model.head.named_parameters() if parameter.grad is None]
    assert without == []
    assert [key for key, parameter in model.head.named_parameters() if not parameter.grad.abs().max() > 0] == []
    assert all(parameter.grad is not None for parameter in model.backbone.parameters())


def test_evaluation_is_deterministic_needs_no_labels_and_treats_each_image_alone(name: str) -> None:
    model = build(name).eval()
    images = images_for(model)
    with torch.no_grad():
        logits = model(images).logits
        assert torch.equal(model(images).logits, logits)
        alone = torch.cat([model(image[None]).logits for image in images])
    assert torch.allclose(alone, logits, atol=1e-4)


def test_class_maps_are_finite_and_carry_gradients_to_the_backbone(name: str) -> None:
    model = build(name).train()
    maps = model.class_maps(model(images_for(model), LABELS))
    assert maps.shape[:2] == (3, 4)
    assert torch.isfinite(maps).all()
    assert (maps.flatten(2).std(2) > 0).all()
    maps[torch.arange(3), LABELS].square().mean().backward()
    first = next(model.backbone.parameters()).grad
    assert first is not None
    assert torch.isfinite(first).all()
    assert first.abs().max() > 0


@pytest.mark.parametrize("cam", list_cams())
def test_every_cam_method_works(name: str, cam: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(name).train()
    images = images_for(model)
    try:
        resolve_cams([cam], model)
    except ConfigError as error:
        pytest.skip(str(error))
    monkeypatch.setattr("fer_au.cam.pixels._STEPS", 2)
    monkeypatch.setattr("fer_au.cam.occlusion.GRID", 6)
    maps = compute_cam(cam, model, images, LABELS)
    assert maps.shape in {(3, *model.eval()(images).final.shape[2:]), (3, *images.shape[2:]), (3, 6, 6)}
    assert torch.isfinite(maps).all()
    assert 0 <= float(maps.min()) <= float(maps.max()) <= 1
    assert (maps.amax((1, 2)) == 1).any()


def test_a_saved_model_comes_back_with_the_same_scores_and_maps(name: str, tmp_path: Path) -> None:
    model = build(name).eval()
    save_model(tmp_path / "m", model, {})
    loaded, _ = load_model(tmp_path / "m")
    images = images_for(model)
    with torch.no_grad():
        own, other = model(images), loaded(images)
        assert torch.equal(own.logits, other.logits)
        assert torch.equal(model.class_maps(own), loaded.class_maps(other))


def test_a_copy_is_a_model_of_its_own(name: str) -> None:
    model = build(name).eval()
    images = images_for(model)
    with torch.no_grad():
        expected = model(images).logits
        twin = copy.deepcopy(model)
        assert torch.equal(twin(images).logits, expected)
        for parameter in twin.parameters():
            parameter.zero_()
        assert torch.equal(model(images).logits, expected)
        assert not torch.equal(twin(images).logits, expected)


def attentions(model: FerModel, output: ModelOutput) -> dict[str, Tensor]:
    """What guidance can act on: the last layer, the true class's map and the head's own map, if it has one."""
    maps = {
        "features": channel_mean(output.features[model.layers[-1]]),
        "cam": shift_non_negative(model.class_maps(output)[torch.arange(3), LABELS]),
    }
    return maps if output.attention is None else {**maps, "module": output.attention}


def test_guidance_pulls_every_source_of_attention_to_a_cue(name: str) -> None:
    model = build(name).train()
    images = images_for(model)
    cue = torch.zeros(3, 4, 4)
    cue[:, 2:, :2] = 1
    valid = torch.ones(3, dtype=torch.bool)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    history = []
    for _ in range(20):
        torch.manual_seed(0)  # the same dropout in every step
        output = model(images, LABELS)
        losses = {}
        for source, attention in attentions(model, output).items():
            losses[source] = create_loss("cosine")(
                attention, resize_maps(cue, (attention.shape[1], attention.shape[2])), valid
            )
        history.append({source: float(loss.detach()) for source, loss in losses.items()})
        total = sum(functional.cross_entropy(logits, LABELS) for logits in (output.logits, *output.auxiliary))
        optimizer.zero_grad()
        (total + 4 * sum(losses.values())).backward()
        optimizer.step()
    for source, loss in history[-1].items():
        assert loss < 0.9 * history[0][source], source

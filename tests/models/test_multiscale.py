"""Models of two views: the face and the whole picture."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fer_au.cam import compute_cam
from fer_au.config.model import ModelConfig
from fer_au.errors import ConfigError, UnknownNameError
from fer_au.models import FerModel, create_model, load_base_weights, load_model, save_model
from fer_au.models.network import count_views

CLASSES = ("neutral", "happiness", "surprise", "anger")
CONFIG = {"backbone": "test_resnet", "output_stride": 8, "head": "multiscale"}


def model_of(*, shared: bool = True, in_chans: int = 3) -> FerModel:
    options = {} if shared else {"head_options": {"shared": False}}
    return create_model({**CONFIG, **options, "in_chans": in_chans}, CLASSES, seed=0).eval()


def pictures(count: int = 3, channels: int = 6) -> Tensor:
    return torch.randn(count, channels, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("in_chans", [3, 1])
@pytest.mark.parametrize("shared", [True, False])
def test_logits_are_those_of_both_pooled_maps_side_by_side(shared: bool, in_chans: int) -> None:
    model = model_of(shared=shared, in_chans=in_chans)
    x = pictures(channels=2 * in_chans)
    with torch.no_grad():
        output = model(x)
        face = model.backbone(x[:, :in_chans])
        whole = (model.backbone if shared else model.context_backbone)(x[:, in_chans:])
        pooled = torch.cat([face.final.mean((2, 3)), whole.final.mean((2, 3))], dim=1)
    assert torch.allclose(output.logits, pooled @ model.head.linear.weight.T + model.head.linear.bias, atol=1e-5)
    assert all(torch.allclose(maps, face.features[layer], atol=1e-5) for layer, maps in output.features.items())
    assert tuple(output.features) == model.layers
    assert torch.allclose(output.final, face.final, atol=1e-5)
    assert torch.allclose(output.trunk.context, whole.final, atol=1e-5)


def test_one_backbone_by_default_and_a_second_one_on_request() -> None:
    one, two, single = model_of(), model_of(shared=False), create_model({**CONFIG, "head": "gap"}, CLASSES, seed=0)
    sizes = [sum(parameter.numel() for parameter in model.backbone.parameters()) for model in (one, two, single)]
    assert len(set(sizes)) == 1
    assert one.context_backbone is None
    assert sum(parameter.numel() for parameter in two.context_backbone.parameters()) == sizes[0]
    assert {name for name, _ in one.backbone.named_parameters()} == {n for n, _ in single.backbone.named_parameters()}


@pytest.mark.parametrize("shared", [True, False])
def test_training_reaches_every_parameter(shared: bool) -> None:
    model = model_of(shared=shared).train()
    model(pictures()).logits.square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_batch_norms_see_both_views_of_a_batch_at_once() -> None:
    model = model_of().train()
    norm = next(module for module in model.backbone.modules() if isinstance(module, torch.nn.BatchNorm2d))
    model(pictures())
    assert norm.num_batches_tracked == 1


def test_class_maps_are_the_faces_part_of_the_logits() -> None:
    model = model_of()
    torch.nn.init.normal_(model.head.linear.bias)
    x = pictures(2)
    x[1, :3] = x[0, :3]
    with torch.no_grad():
        output = model(x)
        maps = model.class_maps(output)
        whole = output.trunk.context.mean((2, 3)) @ model.head.linear.weight[:, model.backbone.channels :].T
    assert torch.allclose(maps[0], maps[1], atol=1e-5)
    assert not torch.allclose(output.logits[0], output.logits[1], atol=1e-3)
    assert torch.allclose(maps.mean((2, 3)) + whole + model.head.linear.bias, output.logits, atol=1e-5)


@pytest.mark.parametrize("cam", ["native", "gradcam", "gradcam++", "xgradcam", "hirescam", "layercam"])
def test_cams_are_of_the_face_and_have_its_grid(cam: str) -> None:
    model = model_of()
    assert compute_cam(cam, model, pictures(), torch.tensor([0, 1, 3])).shape == (3, 4, 4)


@pytest.mark.parametrize("shared", [True, False])
def test_grid_sizes_are_the_faces(shared: bool) -> None:
    single = create_model({**CONFIG, "head": "gap"}, CLASSES, seed=0)
    assert model_of(shared=shared).grid_sizes(48) == single.grid_sizes(48)


@pytest.mark.parametrize("shared", [True, False])
def test_a_saved_model_comes_back_and_a_copy_is_equal(tmp_path: Path, shared: bool) -> None:
    model = model_of(shared=shared)
    save_model(tmp_path, model, {})
    loaded, _ = load_model(tmp_path)
    assert loaded.views == 2
    with torch.no_grad():
        expected = model(pictures()).logits
        assert torch.equal(loaded(pictures()).logits, expected)
        assert torch.equal(copy.deepcopy(model)(pictures()).logits, expected)


@pytest.mark.parametrize("shared", [True, False])
def test_a_base_that_sees_the_face_alone_serves_both_views(tmp_path: Path, shared: bool) -> None:
    base = create_model({**CONFIG, "head": "gap"}, CLASSES, seed=7)
    save_model(tmp_path, base, {})
    model = model_of(shared=shared)
    report = load_base_weights(model, tmp_path)
    assert set(report.skipped) == {"head.linear.weight", "head.linear.bias"}
    for backbone in filter(None, (model.backbone, model.context_backbone)):
        own = backbone.state_dict()
        assert all(torch.equal(value, own[name]) for name, value in base.backbone.state_dict().items())


def test_a_base_with_two_backbones_gives_a_model_of_the_face_its_own(tmp_path: Path) -> None:
    base = model_of(shared=False)
    save_model(tmp_path, base, {})
    model = create_model({**CONFIG, "head": "gap"}, CLASSES, seed=7)
    load_base_weights(model, tmp_path)
    own = model.backbone.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in base.backbone.state_dict().items())


def test_a_vision_transformer_takes_two_views_too() -> None:
    model = create_model({"backbone": "test_vit", "head": "multiscale"}, CLASSES, seed=0).eval()
    with torch.no_grad():
        output = model(pictures())
    assert output.logits.shape == (3, 4)
    assert output.trunk.context.shape == output.final.shape


def test_views_are_known_before_a_model_is_built() -> None:
    assert count_views(ModelConfig(backbone="test_resnet", head="multiscale")) == 2
    assert count_views(ModelConfig(backbone="test_resnet", head="gap")) == 1
    assert count_views(ModelConfig(backbone="test_resnet")) == 1
    assert count_views(ModelConfig(backbone="gimefive-13")) == 1
    with pytest.raises(UnknownNameError, match="multiscale"):
        count_views(ModelConfig(backbone="test_resnet", head="multi-scale"))


def test_a_wrong_value_of_shared_is_one_clear_line() -> None:
    with pytest.raises(
        ConfigError, match=r"head 'multiscale': model\.head_options\.shared: should be true or false, got 'no'"
    ):
        create_model({**CONFIG, "head_options": {"shared": "no"}}, CLASSES)

"""Frozen layers: which parameters train, whose statistics move, and when."""

from __future__ import annotations

import copy

import pytest
import torch

from fer_au.config.experiments import FreezeConfig
from fer_au.errors import ConfigError
from fer_au.models import FerModel, create_model
from fer_au.models.freezing import check_phases, phase_at, set_trainable

CLASSES = ("neutral", "happiness", "surprise", "anger")
# Prefixes of the parameters of the last layer, of the one below, and of what lies below these.
PARTS = {
    "test_resnet": (("layer4.",), ("layer3.",), ("conv1.", "bn1.", "layer1.", "layer2.")),
    "test_efficientnet": (("conv_head.", "bn2."), ("blocks.5.", "blocks.4."), ("conv_stem.", "bn1.", "blocks.")),
    "test_convnext": (("stages.3.", "norm_pre."), ("stages.2.",), ("stem.", "stages.")),
    "test_vit": (("blocks.5.", "norm."), ("blocks.4.",), ("patch_embed.", "pos_embed", "cls_token", "blocks.")),
}


def make(backbone: str, **options: object) -> FerModel:
    return create_model({"backbone": backbone, **options}, CLASSES, seed=0).train()


def frozen_names(model: FerModel) -> set[str]:
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


def backbone_names(model: FerModel) -> set[str]:
    return {name for name, _ in model.named_parameters() if name.startswith("backbone.")}


def step(model: FerModel, size: int = 64) -> None:
    torch.manual_seed(1)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    output = model.train()(torch.randn(4, model.config.in_chans, size, size))
    torch.nn.functional.cross_entropy(output.logits, torch.arange(4)).backward()
    optimizer.step()


@pytest.mark.parametrize(("backbone", "parts"), PARTS.items())
def test_the_last_layers_train_and_what_lies_below_is_frozen(backbone: str, parts: tuple[tuple[str, ...], ...]) -> None:
    model = make(backbone)
    for layers in (0, 1, 2):
        set_trainable(model, layers)
        upper = tuple(f"backbone.network.{prefix}" for part in parts[:layers] for prefix in part)
        assert frozen_names(model) == {name for name in backbone_names(model) if not name.startswith(upper or "-")}
        assert any(parameter.requires_grad for parameter in model.backbone.parameters()) == bool(layers)
    set_trainable(model, None)
    assert frozen_names(model) == set()


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "vgg11", "gimefive-10", "gimefive-resnet18"])
def test_as_many_layers_as_there_are_is_everything(backbone: str) -> None:
    model = make(backbone)
    set_trainable(model, len(model.layers))
    assert frozen_names(model) == set()
    set_trainable(model, len(model.layers) - 1)
    assert {name for name in frozen_names(model) if name.startswith("head.")} == set()
    assert frozen_names(model)


@pytest.mark.parametrize("backbone", ["test_resnet", "gimefive-resnet18"])
@pytest.mark.parametrize("layers", [0, 1])
def test_a_step_leaves_frozen_parameters_and_statistics_bit_for_bit_and_moves_the_others(
    backbone: str, layers: int
) -> None:
    model = make(backbone)
    set_trainable(model, layers)
    frozen = frozen_names(model)
    norms = {name for name, _ in model.named_buffers() if name.rpartition(".")[0] + ".weight" in frozen}
    before = copy.deepcopy(model.state_dict())
    step(model)
    after = model.state_dict()
    same = {name for name, value in after.items() if torch.equal(before[name], value)}
    assert frozen <= same
    assert norms
    assert norms <= same
    moving = {name for name, value in after.items() if (value.ndim > 1 or "running" in name)} - frozen - norms
    assert moving
    assert not moving & same


def test_train_alone_would_move_the_statistics_of_frozen_layers() -> None:
    # The usual mistake: requires_grad is off, and the running means drift all the same.
    model = make("test_resnet")
    model.backbone.requires_grad_(False)
    torch.nn.Module.train(model)
    before = model.backbone.network.bn1.running_mean.clone()
    model(torch.randn(4, 3, 64, 64))
    assert not torch.equal(model.backbone.network.bn1.running_mean, before)
    model.train()
    before = model.backbone.network.bn1.running_mean.clone()
    model(torch.randn(4, 3, 64, 64))
    assert torch.equal(model.backbone.network.bn1.running_mean, before)


def test_norms_without_parameters_follow_the_block_around() -> None:
    model = make("test_resnet")
    network = model.backbone.network
    network.layer4[0].bn1.affine, network.layer1[0].bn1.affine = False, False
    for norm in (network.layer4[0].bn1, network.layer1[0].bn1):
        norm.weight = norm.bias = None
    set_trainable(model, 1)
    model.train()
    assert network.layer4[0].bn1.training
    assert not network.layer1[0].bn1.training


def test_the_mode_and_the_statistics_survive_a_change_of_phase() -> None:
    model = make("test_resnet")
    before = copy.deepcopy(model.state_dict())
    set_trainable(model, 0)
    assert model.training
    assert not model.backbone.network.bn1.training
    set_trainable(model, None)
    assert all(module.training for module in model.modules())
    set_trainable(model.eval(), 0)
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_frozen_parameters_lose_their_gradients_and_copies_stay_frozen() -> None:
    model = make("test_resnet")
    step(model)
    set_trainable(model, 0)
    assert all(parameter.grad is None for parameter in model.backbone.parameters())
    twin = copy.deepcopy(model).train()
    assert frozen_names(twin) == backbone_names(twin)
    assert not twin.backbone.network.bn1.training


def test_every_parameter_that_trains_gets_a_gradient() -> None:
    for backbone in ("test_resnet", "test_vit", "test_efficientnet"):
        model = make(backbone)
        for layers in (0, 1, 3, None):
            set_trainable(model, layers)
            model(torch.randn(2, 3, 64, 64)).logits.square().sum().backward()
            missing = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
            assert missing == []


def test_both_backbones_of_a_model_with_two_views_freeze() -> None:
    model = make("test_resnet", head="multiscale", head_options={"shared": False})
    assert model.context_backbone is not None
    set_trainable(model, 1)
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad and ".layer4." in name}
    assert trained == {"backbone", "context_backbone"}
    assert not any(p.requires_grad for p in model.context_backbone.network.layer3.parameters())


def test_phases_follow_one_another_and_then_everything_trains() -> None:
    freeze = [FreezeConfig(epochs=2), FreezeConfig(epochs=3, layers=2)]
    assert [phase_at(freeze, epoch) for epoch in range(7)] == [0, 0, 2, 2, 2, None, None]
    assert phase_at([], 0) is None


def test_a_phase_of_more_layers_than_can_be_frozen_is_refused() -> None:
    model = make("test_resnet")
    check_phases([FreezeConfig(epochs=1, layers=4)], model)
    with pytest.raises(ConfigError, match=r"train\.freeze: layers: has no effect: 5 layers are all of backbone"):
        check_phases([FreezeConfig(epochs=1, layers=5)], model)
    with pytest.raises(ConfigError, match=r"train\.freeze: layers: 6 is more than the 5 of backbone 'test_resnet'"):
        check_phases([FreezeConfig(epochs=1), FreezeConfig(epochs=1, layers=6)], model)

"""Head ``adl``: drop blocks act in training alone, and leave every name and weight of the backbone in its place."""

from __future__ import annotations

import copy
import gc
import weakref

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_au.errors import ConfigError
from fer_au.models import FerModel, create_model
from fer_au.models.heads.adl import drop_block

CLASSES = ("neutral", "happiness", "surprise", "anger")


def build(backbone: str = "resnet10t", **options: float) -> FerModel:
    return create_model({"backbone": backbone, "head": "adl", "head_options": options}, CLASSES, seed=0)


def images() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def hooked(model: FerModel) -> list[str]:
    return [name for name, module in model.backbone.network.named_modules() if module._forward_hooks]


@pytest.mark.parametrize("backbone", ["resnet10t", "resnet18", "mobilenetv2_050"])
def test_names_order_and_values_of_the_weights_are_those_without_drop_blocks(backbone: str) -> None:
    plain = create_model({"backbone": backbone}, CLASSES, seed=0).state_dict()
    dropping = build(backbone).state_dict()
    assert list(plain) == list(dropping)
    assert all(torch.equal(value, dropping[name]) for name, value in plain.items())


def test_every_pretrained_weight_lands_in_its_own_block() -> None:
    # In the AU-cue paper's code the inserted modules shift the blocks: layer4.1 would get nothing, layer4.2 layer4.1's.
    pretrained = timm.create_model("resnet18", num_classes=0)
    model = build("resnet18")
    model.backbone.network.load_state_dict(pretrained.state_dict())
    with torch.no_grad():
        assert torch.allclose(model.eval()(images()).final, pretrained.eval().forward_features(images()), atol=1e-5)


def test_class_maps_read_the_last_block() -> None:
    model = build("resnet18").eval()
    seen: list[Tensor] = []
    model.backbone.network.layer4[1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        maps = model.class_maps(model(images()))
        expected = functional.conv2d(seen[0], model.head.linear.weight[:, :, None, None])
    assert torch.allclose(maps, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("backbone", "places"),
    [
        ("resnet50", ["layer3.0", "layer4.0", "layer4.2"]),
        ("resnet18", ["layer3.0", "layer4.0", "layer4.1"]),
        ("resnet10t", ["layer3.0", "layer4.0"]),
        ("mobilenetv2_050", ["blocks.4.0", "blocks.6.0"]),
        ("convnext_atto", ["stages.2.blocks.0", "stages.3.blocks.0", "stages.3.blocks.1"]),
        ("regnetx_002", ["s3.b1", "s4.b1", "s4.b3"]),
    ],
)
def test_drop_blocks_follow_the_published_places_as_far_as_there_are_blocks(backbone: str, places: list[str]) -> None:
    assert hooked(build(backbone)) == places


@pytest.mark.parametrize("backbone", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "vgg11"])
def test_a_backbone_without_convolutional_blocks_is_refused(backbone: str) -> None:
    with pytest.raises(ConfigError, match=f"head 'adl' needs blocks of convolutions, and backbone '{backbone}' has no"):
        build(backbone)


@pytest.mark.parametrize("backbone", ["densenet121", "selecsls42", "pvt_v2_b0"])
def test_blocks_whose_output_is_no_stage_map_are_refused_before_training(backbone: str) -> None:
    with pytest.raises(ConfigError, match="head 'adl' needs blocks that give maps of"):
        build(backbone).grid_sizes(64)


def test_the_drop_mask_hides_cells_from_a_share_of_each_images_maximum_on() -> None:
    features = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1)) + 1
    found = drop_block(features, drop_rate=1.0, threshold=0.3).numpy()
    values = features.numpy()
    for sample in range(2):
        mean = values[sample].mean(axis=0)
        expected = np.where(mean < 0.3 * mean.max(), values[sample], 0)
        assert np.allclose(found[sample], expected)
        assert 0 < (expected == 0).mean() < 1


def test_the_importance_map_is_a_sigmoid_of_the_channel_mean() -> None:
    features = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    mean = features.numpy().mean(axis=1, keepdims=True)
    expected = features.numpy() / (1 + np.exp(-mean))
    assert np.allclose(drop_block(features, drop_rate=0.0, threshold=0.3), expected, atol=1e-6)


def test_the_drop_mask_comes_with_its_rate_and_type_is_kept() -> None:
    torch.manual_seed(0)
    features = torch.tensor([1.0, 2.0]).reshape(1, 1, 1, 2).bfloat16()
    drawn = [drop_block(features, drop_rate=0.4, threshold=0.5) for _ in range(500)]
    assert {part.dtype for part in drawn} == {torch.bfloat16}
    assert sum(float(part[0, 0, 0, 1]) == 0 for part in drawn) / 500 == pytest.approx(0.4, abs=0.06)


def test_drop_blocks_act_in_training_alone() -> None:
    model = build(drop_rate=1.0, threshold=0.5)
    block = model.backbone.network.layer4[0]
    with torch.no_grad():
        plain = create_model({"backbone": "resnet10t"}, CLASSES, seed=0).eval()(images()).final
        assert torch.equal(model.eval()(images()).final, plain)
        block.train()
        for norm in (module for module in block.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.eval()
        assert torch.allclose(model(images()).final, drop_block(plain, 1.0, 0.5))


def test_a_copy_drops_by_its_own_mode() -> None:
    model = build(drop_rate=1.0, threshold=0.5).train()
    average = copy.deepcopy(model).eval()
    assert hooked(average) == hooked(model)
    with torch.no_grad():
        plain = create_model({"backbone": "resnet10t"}, CLASSES, seed=0).eval()(images()).final
        assert torch.equal(average(images()).final, plain)
        model.eval()
        masked = average.train()(images()).final
    assert (masked.mean(1) == 0).any()


def test_hooks_keep_neither_model_nor_head_alive() -> None:
    model = build()
    backbone, head, whole = model.backbone, weakref.ref(model.head), weakref.ref(model)
    del model
    gc.collect()
    assert head() is None
    assert whole() is None
    assert hooked_blocks(backbone)


def hooked_blocks(backbone: nn.Module) -> list[nn.Module]:
    return [module for module in backbone.modules() if module._forward_hooks]

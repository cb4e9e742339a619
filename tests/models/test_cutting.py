"""``cut_after``: the network ends after an inner layer, whose map the head reads, and nothing lies unused behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from fer_au.errors import ConfigError, DataError
from fer_au.models import create_model, load_base_weights, load_model, save_model
from fer_au.models.freezing import set_trainable

CLASSES = ("neutral", "happiness", "surprise", "anger")
# Networks of convolutions, one that ends in a convolution behind its stages, tokens, windows, and one of the project.
CUTS = {
    "test_resnet": (1, 4),
    "test_efficientnet": (2, 5),
    "test_convnext": (2,),
    "test_vit": (3,),
    "test_byobnet": (3,),
    "mobilenetv3_small_050": (4,),
    "swin_tiny_patch4_window7_224": (2,),
    "sface": (5,),
}
CASES = [(backbone, layer) for backbone, layers in CUTS.items() for layer in layers]


@pytest.mark.parametrize(("backbone", "layer"), CASES)
def test_the_head_reads_the_layer_and_what_follows_is_gone(backbone: str, layer: int, tmp_path: Path) -> None:
    whole = create_model({"backbone": backbone}, CLASSES, seed=0).eval()
    network = whole.backbone if backbone == "sface" else whole.backbone.network
    safetensors.torch.save_file(network.state_dict(), tmp_path / "whole.safetensors")
    weights = str(tmp_path / "whole.safetensors")
    model = create_model({"backbone": backbone, "cut_after": layer, "weights": weights}, CLASSES, seed=1).eval()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output, expected = model(images), whole(images)
    assert model.layers == whole.layers[:layer] == tuple(output.features)
    assert model.backbone.channels == output.final.shape[1] == model.head.linear.in_features
    assert output.final is output.features[str(layer)]
    for name, maps in output.features.items():
        assert torch.allclose(maps, expected.features[name], atol=1e-5), name
    model.train()(images).logits.square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    set_trainable(model, 0)
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())


def test_a_cut_model_comes_back_and_serves_as_base_of_one_that_is_no_longer(tmp_path: Path) -> None:
    model = create_model({"backbone": "test_resnet", "cut_after": 4}, CLASSES, seed=0).eval()
    save_model(tmp_path / "cut", model, {})
    loaded, _ = load_model(tmp_path / "cut")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(images).logits, model(images).logits)
    save_model(tmp_path / "whole", create_model({"backbone": "test_resnet"}, CLASSES, seed=2), {})
    for base, cut_after in (("cut", 3), ("whole", 4), ("cut", 4)):
        other = create_model({"backbone": "test_resnet", "cut_after": cut_after}, CLASSES, seed=1)
        report = load_base_weights(other, tmp_path / base)
        stored = safetensors.torch.load_file(tmp_path / base / "model.safetensors")
        own = other.state_dict()
        assert all(torch.equal(own[name], stored[name]) for name in own if name.startswith("backbone."))
        assert bool(report.skipped) == (base == "whole" or cut_after != 4)
    save_model(tmp_path / "short", create_model({"backbone": "test_resnet", "cut_after": 2}, CLASSES, seed=0), {})
    for options, words in (({}, "is not cut"), ({"cut_after": 3}, "is cut after layer 3")):
        longer = create_model({"backbone": "test_resnet", **options}, CLASSES, seed=1)
        with pytest.raises(DataError, match=rf"the base's backbone is cut after layer 2, and the model's {words}$"):
            load_base_weights(longer, tmp_path / "short")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "test_resnet", "cut_after": 6}, "6 is more than the 5 layers of backbone 'test_resnet'"),
        ({"backbone": "test_resnet", "cut_after": 5}, "has no effect: 5 is the last layer of backbone 'test_resnet'"),
        ({"backbone": "sface", "cut_after": 28}, "28 is more than the 27 layers of backbone 'sface'"),
        ({"backbone": "gimefive-13", "cut_after": 2}, "network 'gimefive-13' doesn't take it: its head reads its last"),
    ],
)
def test_what_can_t_be_cut_is_one_line(options: dict[str, object], message: str) -> None:
    with torch.device("meta"), pytest.raises(ConfigError, match=rf"model\.cut_after: .*{message}"):
        create_model(options, CLASSES)


def test_the_stride_is_that_of_the_layer_that_is_left() -> None:
    with torch.device("meta"):
        model = create_model({"backbone": "test_resnet", "cut_after": 4, "output_stride": 8}, CLASSES)
        assert model.grid_sizes(64)["4"] == (8, 8)
        with pytest.raises(ConfigError, match="has output stride 8 and can't be built with 16"):
            create_model({"backbone": "test_resnet", "cut_after": 3, "output_stride": 16}, CLASSES)

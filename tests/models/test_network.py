"""The classifier itself: seeds, classes, class maps, layer choice."""

from __future__ import annotations

import pytest
import torch

from fer_au.errors import ConfigError, FerAuError
from fer_au.models import create_model, resolve_layers
from fer_au.models.network import evaluating

CLASSES = ("neutral", "happiness", "surprise", "anger")
CONFIG = {"backbone": "resnet10t", "output_stride": 8}


def test_gap_logits_are_the_spatial_mean_of_the_class_maps_plus_the_bias() -> None:
    model = create_model(CONFIG, CLASSES, seed=0).eval()
    torch.nn.init.normal_(model.head.linear.bias)
    with torch.no_grad():
        output = model(torch.randn(3, 3, 64, 64))
        expected = model.class_maps(output).mean((2, 3)) + model.head.linear.bias
    assert torch.allclose(output.logits, expected, atol=1e-5)


def test_class_maps_carry_gradients_to_the_backbone() -> None:
    model = create_model(CONFIG, CLASSES, seed=0)
    model.class_maps(model(torch.randn(2, 3, 64, 64)))[:, 1].square().mean().backward()
    gradient = model.backbone.network.conv1[0].weight.grad
    assert gradient is not None
    assert gradient.abs().max() > 0


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = create_model(CONFIG, CLASSES, seed=1).state_dict()
    assert torch.equal(torch.rand(3), expected)
    second = create_model(CONFIG, CLASSES, seed=1).state_dict()
    other = create_model(CONFIG, CLASSES, seed=2).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["backbone.network.conv1.0.weight"], other["backbone.network.conv1.0.weight"])


def test_without_a_seed_the_weights_come_from_the_callers_global_state() -> None:
    torch.manual_seed(1)
    drawn = create_model(CONFIG, CLASSES).state_dict()
    seeded = create_model(CONFIG, CLASSES, seed=1).state_dict()
    assert all(torch.equal(drawn[name], seeded[name]) for name in drawn)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("neutral", "hapiness"), r"classes\[1\]: unknown expression 'hapiness'; did you mean happiness"),
        (("happiness", "neutral"), "canonical order: neutral, happiness"),
        (("neutral", "neutral", "anger"), "distinct"),
        (("neutral",), "at least two"),
    ],
)
def test_classes_must_be_canonical_labels_in_order(classes: tuple[str, ...], message: str) -> None:
    with pytest.raises(FerAuError, match=message):
        create_model(CONFIG, classes)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (("last",), ("5",)),
        ("last", ("5",)),
        (("5", "4"), ("4", "5")),
        ([5, 4, "last"], ("4", "5")),
        (["all"], ("1", "2", "3", "4", "5")),
        ("all", ("1", "2", "3", "4", "5")),
        ("2", ("2",)),
    ],
)
def test_layers_resolve_to_distinct_names_in_network_order(spec: object, expected: tuple[str, ...]) -> None:
    assert create_model(CONFIG, CLASSES, seed=0).resolve_layers(spec) == expected


@pytest.mark.parametrize("spec", [("6",), ("0",), ("first",), ("-1",)])
def test_an_unknown_layer_names_the_backbone_and_its_layers(spec: tuple[str, ...]) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown feature layer .*: backbone 'resnet10t' has 1 \(first\) to 5 \(last\)"
    ):
        create_model(CONFIG, CLASSES, seed=0).resolve_layers(spec)


def test_an_empty_choice_of_layers_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no feature layer"):
        resolve_layers((), ("1", "2"))


def test_evaluating_gives_each_module_its_own_mode_back_after_an_error() -> None:
    model = create_model(CONFIG, CLASSES, seed=0).train()
    model.backbone.network.layer1.eval()
    modes = [module.training for module in model.modules()]
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(ConfigError), evaluating(model):
        model.resolve_layers("none")
    assert [module.training for module in model.modules()] == modes
    assert True in modes
    assert False in modes

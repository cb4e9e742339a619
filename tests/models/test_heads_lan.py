"""Head ``lan``: its fusions as identities, and its size."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fer_au.models.heads.lan import LanHead
from fer_au.models.parts import TrunkOutput

CHANNELS, CLASSES = 8, 3


def features() -> Tensor:
    return torch.randn(2, CHANNELS, 5, 6, generator=torch.Generator().manual_seed(0))


def head(fusion: str) -> LanHead:
    torch.manual_seed(1)
    made = LanHead(CHANNELS, CLASSES, widths=[6, 4], fusion=fusion).eval()
    torch.nn.init.normal_(made.linear.bias)
    return made


@torch.no_grad()
def test_add_classifies_the_average_of_features_times_one_plus_the_map() -> None:
    made, final = head("add"), features()
    output = made(TrunkOutput(final, {}))
    assert output.attention is not None
    both = final.mean((2, 3)) + (final * output.attention[:, None]).mean((2, 3))
    assert torch.allclose(both, (final * (1 + output.attention[:, None])).mean((2, 3)), atol=1e-6)
    assert torch.allclose(output.logits, made.linear(both), atol=1e-5)


@torch.no_grad()
def test_average_is_half_of_add_before_the_bias() -> None:
    added, averaged = head("add"), head("average")
    assert torch.equal(added.linear.weight, averaged.linear.weight)
    trunk = TrunkOutput(features(), {})
    halved = (added(trunk).logits - added.linear.bias) / 2 + averaged.linear.bias
    assert torch.allclose(averaged(trunk).logits, halved, atol=1e-5)


@torch.no_grad()
def test_concat_puts_both_averages_side_by_side() -> None:
    made, final = head("concat"), features()
    output = made(TrunkOutput(final, {}))
    assert output.attention is not None
    local = (final * output.attention[:, None]).mean((2, 3))
    assert torch.allclose(output.logits, made.linear(torch.cat([final.mean((2, 3)), local], 1)), atol=1e-5)


@pytest.mark.parametrize("fusion", ["add", "concat", "average"])
@torch.no_grad()
def test_logits_are_the_mean_of_the_class_maps_plus_the_bias(fusion: str) -> None:
    made, trunk = head(fusion), TrunkOutput(features(), {})
    assert torch.allclose(made(trunk).logits, made.class_maps(trunk).mean((2, 3)) + made.linear.bias, atol=1e-5)


@torch.no_grad()
def test_the_map_is_a_sigmoid_of_3x3_convolutions_with_norm_and_relu_between() -> None:
    made, x = head("add"), features()
    convolutions = [module for module in made.attention if isinstance(module, torch.nn.Conv2d)]
    for conv in convolutions[:-1]:  # fresh statistics are 0 and 1
        x = (functional.conv2d(x, conv.weight, padding=1) / (1 + 1e-5) ** 0.5).clamp(min=0)
    x = functional.conv2d(x, convolutions[-1].weight, convolutions[-1].bias, padding=1)
    attention = made(TrunkOutput(features(), {})).attention
    assert attention is not None
    assert attention.shape == (2, 5, 6)
    assert torch.allclose(attention, 1 / (1 + torch.exp(-x[:, 0])), atol=1e-5)


def test_the_default_widths_have_the_parameters_of_256_128_64_1() -> None:
    made = LanHead(512, 7)
    with_biases = 1_549_313
    normalisation = 2 * (256 + 128 + 64) - (256 + 128 + 64)  # scale and shift, in place of a bias
    assert sum(p.numel() for p in made.attention.parameters()) == with_biases + normalisation

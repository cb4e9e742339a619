"""Attention maps as numbers: against plain numpy, and at the awkward values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fer_au.maps import channel_mean, min_max, shift_non_negative
from fer_au.resizing import Frame, resize_maps


def test_channel_mean_is_computed_in_float32_even_under_autocast() -> None:
    features = torch.randn(2, 512, 5, 6).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        attention = channel_mean(features)
    assert attention.dtype == torch.float32
    assert np.allclose(attention.numpy(), features.double().numpy().mean(1), atol=1e-6)


def test_only_maps_with_a_negative_minimum_are_shifted() -> None:
    maps = torch.stack([torch.tensor([[-2.0, 1.0], [0.0, 3.0]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]])])
    expected = torch.stack([torch.tensor([[0.0, 3.0], [2.0, 5.0]]), maps[1]])
    assert torch.equal(shift_non_negative(maps), expected)


def test_min_max_scales_each_map_by_its_own_range() -> None:
    maps = torch.stack([torch.tensor([[-2.0, 0.0], [1.0, 2.0]]), torch.tensor([[10.0, 10.0], [10.0, 30.0]])])
    expected = [[[0, 0.5], [0.75, 1]], [[0, 0], [0, 1]]]
    assert np.allclose(min_max(maps).numpy(), expected)


@pytest.mark.parametrize("value", [0.0, 7.0, -3.5, 1e-30, 1e30])
def test_a_constant_map_becomes_zero_with_finite_gradients(value: float) -> None:
    maps = torch.full((1, 4, 4), value, requires_grad=True)
    scaled = min_max(maps)
    assert torch.equal(scaled, torch.zeros(1, 4, 4))
    (scaled * torch.rand(1, 4, 4)).sum().backward()
    assert maps.grad is not None
    assert torch.isfinite(maps.grad).all()


def test_rounding_noise_is_not_blown_up_to_a_map() -> None:
    noisy = torch.full((1, 3, 3), 5.0)
    noisy[0, 1, 1] = torch.nextafter(noisy[0, 1, 1], torch.tensor(6.0))
    assert torch.equal(min_max(noisy), torch.zeros(1, 3, 3))


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-10, 10))
def test_min_max_ignores_scale_and_offset(seed: int, scale: float, offset: float) -> None:
    maps = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(min_max(maps * scale + offset), min_max(maps), atol=2e-3)
    assert float(min_max(maps).amin()) == 0
    assert float(min_max(maps).amax()) == 1


@pytest.mark.parametrize(
    "operation",
    [
        shift_non_negative,
        min_max,
        lambda maps: resize_maps(maps, 3),
        lambda maps: Frame("published", 20).to_layer(maps, (3, 3)),
    ],
)
def test_gradients_agree_with_finite_differences(operation: Callable[[Tensor], Tensor]) -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 5, 5, generator=generator).requires_grad_()
    weights = torch.randn(operation(maps).shape, generator=generator)
    direction = torch.randn(2, 5, 5, generator=generator)
    (operation(maps) * weights).sum().backward()
    assert maps.grad is not None
    step = 1e-3 * direction
    with torch.no_grad():
        change = ((operation(maps + step) - operation(maps - step)) * weights).sum() / 2e-3
    assert float((maps.grad * direction).sum()) == pytest.approx(float(change), rel=0.02, abs=0.01)

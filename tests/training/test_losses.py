from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fer_au.errors import UnknownNameError
from fer_au.training.losses import cosine_loss, create_loss, list_losses

ALL = torch.ones(3, dtype=torch.bool)


def maps(seed: int, n: int = 3, size: int = 5, signed: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(n, size, size, generator=generator)
    return values - 0.5 if signed else values


@given(st.integers(0, 10_000), st.booleans())
def test_cosine_loss_equals_the_definition_in_numpy(seed: int, signed: bool) -> None:
    attention, target = maps(seed, signed=signed), maps(seed + 1)
    a, t = attention.double().numpy().reshape(3, -1), target.double().numpy().reshape(3, -1)
    expected = np.mean([1 - u @ v / np.sqrt((u @ u) * (v @ v)) for u, v in zip(a, t, strict=True)])
    assert float(cosine_loss(attention, target, ALL)) == pytest.approx(expected, abs=1e-5)


def test_cosine_loss_ignores_scale_and_is_zero_for_equal_and_two_for_opposite_maps() -> None:
    target = maps(0)
    assert float(cosine_loss(7 * target, target, ALL)) == pytest.approx(0, abs=1e-6)
    assert float(cosine_loss(-target, target, ALL)) == pytest.approx(2, abs=1e-6)


@pytest.mark.parametrize("name", list_losses())
class TestEveryLoss:
    def test_is_a_float32_scalar_for_bfloat16_maps(self, name: str) -> None:
        attention = maps(1).bfloat16().requires_grad_()
        loss = create_loss(name)(attention, maps(2), ALL)
        assert loss.shape == ()
        assert loss.dtype == torch.float32
        exact = create_loss(name)(attention.detach().float(), maps(2), ALL)
        assert loss.item() == pytest.approx(float(exact), abs=1e-6)

    def test_averages_over_valid_samples_alone(self, name: str) -> None:
        attention, target = maps(1), maps(2)
        valid = torch.tensor([True, False, True])
        alone = [float(create_loss(name)(attention[i : i + 1], target[i : i + 1], ALL[:1])) for i in (0, 2)]
        assert float(create_loss(name)(attention, target, valid)) == pytest.approx(np.mean(alone), abs=1e-6)

    def test_gives_invalid_samples_no_gradient_even_if_they_are_nan(self, name: str) -> None:
        attention, target = maps(1), maps(2)
        attention[1] = target[1] = torch.nan
        attention.requires_grad_()
        create_loss(name)(attention, target, torch.tensor([True, False, True])).backward()
        assert attention.grad is not None
        assert torch.equal(attention.grad[1], torch.zeros(5, 5))
        assert attention.grad[0].abs().sum() > 0
        assert attention.grad.isfinite().all()

    def test_is_exactly_zero_with_a_graph_when_no_sample_is_valid(self, name: str) -> None:
        attention = maps(1).requires_grad_()
        loss = create_loss(name)(attention, maps(2), ~ALL)
        loss.backward()
        assert loss.item() == 0.0
        assert attention.grad is not None
        assert torch.equal(attention.grad, torch.zeros_like(attention))

    @pytest.mark.parametrize("zero", ["attention", "target"])
    def test_stays_finite_for_zero_maps(self, name: str, zero: str) -> None:
        attention, target = maps(1), maps(2)
        (attention if zero == "attention" else target)[:] = 0
        attention.requires_grad_()
        loss = create_loss(name)(attention, target, ALL)
        loss.backward()
        assert loss.isfinite()
        assert attention.grad is not None
        assert attention.grad.isfinite().all()
        assert attention.grad.abs().max() < 1e3

    def test_refuses_maps_on_different_grids(self, name: str) -> None:
        with pytest.raises(ValueError, match="different grids"):
            create_loss(name)(maps(1, size=5), maps(1, size=6), ALL)


def test_unknown_loss_lists_near_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean cosine"):
        create_loss("cosin")

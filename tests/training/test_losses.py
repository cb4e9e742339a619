"""Guidance losses against plain numpy: values, gradients, masks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from fer_au.errors import ConfigError, UnknownNameError
from fer_au.training.losses import LOSSES, GuidanceLoss, create_loss, list_losses

ALL = torch.ones(3, dtype=torch.bool)
cosine_loss, kl_loss, mass_loss, mass_sum_loss = map(create_loss, ("cosine", "kl", "mass", "mass_sum"))
Reference = Callable[[np.ndarray, np.ndarray], float]


def _kl(a: np.ndarray, t: np.ndarray) -> float:
    p, q = softmax(t), softmax(a)
    return float((p * np.log(p / q)).sum())


# Of one map, flattened, in double precision.
REFERENCES: dict[str, Reference] = {
    "cosine": lambda a, t: float(1 - a @ t / np.sqrt((a @ a) * (t @ t))),
    "bce": lambda a, t: float(-(t * np.log(a) + (1 - t) * np.log(1 - a)).mean()),
    "mass": lambda a, t: float((np.maximum(a, 0) * t).sum() / np.maximum(a, 0).sum()),
    "mass_sum": lambda a, t: float((np.maximum(a, 0) * t).sum()),
    "l1": lambda a, t: float(np.abs(a - t).mean()),
    "l2": lambda a, t: float(((a - t) ** 2).mean()),
    "kl": _kl,
}


def maps(seed: int, n: int = 3, size: int = 5, signed: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(n, size, size, generator=generator)
    return values - 0.5 if signed else values


def attention_for(name: str, seed: int, n: int = 3) -> torch.Tensor:
    """Probabilities away from 0 and 1 where the loss wants them, signed maps elsewhere."""
    return 0.1 + 0.8 * maps(seed, n) if create_loss(name).unit_interval else maps(seed, n, signed=True)


def test_every_loss_has_a_reference_here() -> None:
    assert set(REFERENCES) == set(LOSSES.built_in)


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


@pytest.mark.parametrize("name", LOSSES.built_in)
class TestBuiltInLosses:
    @given(seed=st.integers(0, 10_000))
    @settings(max_examples=20, deadline=None)
    def test_equals_the_definition_in_numpy(self, name: str, seed: int) -> None:
        attention, target = attention_for(name, seed), maps(seed + 1)
        rows = zip(attention.double().numpy().reshape(3, -1), target.double().numpy().reshape(3, -1), strict=True)
        expected = np.mean([REFERENCES[name](a, t) for a, t in rows])
        assert float(create_loss(name)(attention, target, ALL)) == pytest.approx(expected, rel=1e-4, abs=1e-5)

    def test_has_the_gradient_of_the_definition(self, name: str) -> None:
        attention, target = attention_for(name, 3, n=1).requires_grad_(), maps(4, n=1)
        create_loss(name)(attention, target, ALL[:1]).backward()
        a, t = attention.detach().double().numpy().ravel(), target.double().numpy().ravel()
        step = 1e-6
        numeric = []
        for cell in range(a.size):
            ahead, behind = a.copy(), a.copy()
            ahead[cell] += step
            behind[cell] -= step
            numeric.append((REFERENCES[name](ahead, t) - REFERENCES[name](behind, t)) / (2 * step))
        np.testing.assert_allclose(attention.grad.numpy().ravel(), numeric, rtol=1e-3, atol=1e-5)

    def test_is_of_the_known_cells_alone(self, name: str) -> None:
        attention, target = attention_for(name, 5), maps(6)
        known = torch.ones(3, 5, 5)
        known[:, :, 3:] = 0
        rows = [
            (a[:, :3].ravel(), t[:, :3].ravel())
            for a, t in zip(attention.double().numpy(), target.double().numpy(), strict=True)
        ]
        expected = np.mean([REFERENCES[name](a, t) for a, t in rows])
        attention[:, :, 3:], target[:, :, 3:] = 0.9, 0.1
        attention.requires_grad_()
        loss = create_loss(name)(attention, target, ALL, known)
        loss.backward()
        assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert attention.grad is not None
        assert attention.grad.isfinite().all()
        assert not attention.grad[:, :, 3:].any()
        assert attention.grad[:, :, :3].any()


@pytest.mark.parametrize("name", list_losses())
class TestEveryLoss:
    def test_everything_known_equals_no_mask(self, name: str) -> None:
        attention, target = attention_for(name, 5), maps(6)
        masked = create_loss(name)(attention, target, ALL, torch.ones(3, 5, 5))
        assert torch.equal(masked, create_loss(name)(attention, target, ALL))

    def test_a_sample_of_which_nothing_is_known_counts_as_none(self, name: str) -> None:
        attention, target = attention_for(name, 5), maps(6)
        known = torch.ones(3, 5, 5)
        known[1] = 0
        attention.requires_grad_()
        loss = create_loss(name)(attention, target, ALL, known)
        loss.backward()
        expected = create_loss(name)(attention.detach(), target, torch.tensor([True, False, True]))
        assert loss.item() == pytest.approx(float(expected), abs=1e-6)
        assert attention.grad is not None
        assert not attention.grad[1].any()
        assert attention.grad.isfinite().all()

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
        assert attention.grad.abs().max() < (1e6 if create_loss(name).unit_interval else 1e3)

    def test_refuses_maps_on_different_grids(self, name: str) -> None:
        with pytest.raises(ValueError, match="different grids"):
            create_loss(name)(maps(1, size=5), maps(1, size=6), ALL)


def test_mass_depends_on_neither_scale_nor_grid_and_the_sum_on_both() -> None:
    attention, target = maps(0), maps(1)
    fine = [maps_.repeat_interleave(2, 1).repeat_interleave(2, 2) for maps_ in (attention, target)]
    share, total = mass_loss(attention, target, ALL), mass_sum_loss(attention, target, ALL)
    assert 0 < share < 1
    assert mass_loss(5 * attention, target, ALL) == pytest.approx(float(share), rel=1e-5)
    assert mass_loss(*fine, ALL) == pytest.approx(float(share), rel=1e-5)
    assert mass_sum_loss(5 * attention, target, ALL) == pytest.approx(5 * float(total), rel=1e-5)
    assert mass_sum_loss(*fine, ALL) == pytest.approx(4 * float(total), rel=1e-5)


def test_mass_of_a_map_without_positive_values_is_zero_without_gradient() -> None:
    attention = torch.stack([-torch.ones(4, 4), torch.zeros(4, 4)]).requires_grad_()
    loss = mass_loss(attention, torch.ones(2, 4, 4), ALL[:2])
    loss.backward()
    assert loss.item() == 0
    assert not attention.grad.any()


def test_mass_is_one_inside_and_zero_outside_the_target() -> None:
    target = torch.zeros(1, 4, 4)
    target[:, :2] = 1
    assert mass_loss(target, target, ALL[:1]) == 1
    assert mass_loss(1 - target, target, ALL[:1]) == 0


def test_kl_is_zero_for_equal_maps_and_ignores_an_offset() -> None:
    target = maps(0)
    assert float(kl_loss(target + 3, target, ALL)) == pytest.approx(0, abs=1e-6)
    assert float(kl_loss(1 - target, target, ALL)) > 0.01


def test_losses_say_what_they_want() -> None:
    losses = {name: create_loss(name) for name in LOSSES.built_in}
    assert {name for name, loss in losses.items() if loss.unit_interval} == {"bce"}
    assert {name for name, loss in losses.items() if loss.avoids} == {"mass", "mass_sum"}


class Chebyshev(GuidanceLoss):
    def compare(self, attention: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return ((attention - target).abs() * (weight > 0)).amax(dim=1)


def test_a_loss_of_another_package_compares_rows_and_needs_no_masks() -> None:
    attention, target, known = maps(1), maps(2), torch.ones(3, 5, 5)
    attention[1] = torch.nan
    known[0, :, 2:] = 0
    attention.requires_grad_()
    loss = Chebyshev()(attention, target, torch.tensor([True, False, True]), known)
    loss.backward()
    difference = (attention - target).detach().abs()
    assert loss.item() == pytest.approx(float(difference[0, :, :2].max() + difference[2].max()) / 2)
    assert attention.grad.isfinite().all()
    assert not Chebyshev()(attention, target, ~ALL).item()


def test_a_loss_that_gives_one_value_for_all_rows_is_refused() -> None:
    class Mean(GuidanceLoss):
        def compare(self, attention: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            return (attention - target).square().mean()

    with pytest.raises(ConfigError, match=r"Mean: compare gave the shape \(\), expected one value for each of 3 rows"):
        Mean()(maps(1), maps(2), ALL)


def test_unknown_loss_lists_near_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean cosine"):
        create_loss("cosin")

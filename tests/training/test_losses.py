"""Guidance losses against plain numpy: values, gradients, masks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from fer_au.errors import ConfigError, PartError, UnknownNameError
from fer_au.training.losses.base import LOSSES, GuidanceLoss, create_loss, list_losses

ALL = torch.ones(3, dtype=torch.bool)
cosine_loss, kl_loss, mass_loss, mass_sum_loss = map(create_loss, ("cosine", "kl", "mass", "mass_sum"))
Reference = Callable[[np.ndarray, np.ndarray], float]


def _kl(a: np.ndarray, t: np.ndarray) -> float:
    p, q = softmax(t), softmax(a)
    return float((p * np.log(p / q)).sum())


def _std_cosine(a: np.ndarray, t: np.ndarray) -> float:
    standard = (a - a.mean()) / a.std()
    return float(1 - standard @ t / np.sqrt((standard @ standard) * (t @ t)))


def _kl_cells(a: np.ndarray, t: np.ndarray) -> float:
    q, p = torch.from_numpy(softmax(a)), torch.from_numpy(t)
    bernoulli = torch.distributions.Bernoulli
    return float(torch.distributions.kl_divergence(bernoulli(p), bernoulli(q)).mean())


# Of one map, flattened, in double precision.
REFERENCES: dict[str, Reference] = {
    "cosine_barrier": lambda a, t: float(1 - a @ t / np.sqrt((a @ a) * (t @ t))),  # in the first epoch
    "cosine": lambda a, t: float(1 - a @ t / np.sqrt((a @ a) * (t @ t))),
    "bce": lambda a, t: float(-(t * np.log(a) + (1 - t) * np.log(1 - a)).mean()),
    "mass": lambda a, t: float((np.maximum(a, 0) * t).sum() / np.maximum(a, 0).sum()),
    "mass_sum": lambda a, t: float((np.maximum(a, 0) * t).sum()),
    "l1": lambda a, t: float(np.abs(a - t).mean()),
    "l2": lambda a, t: float(((a - t) ** 2).mean()),
    "kl": _kl,
    "kl_cells": _kl_cells,
    "std_cosine": _std_cosine,
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
    @settings(max_examples=20)
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

    with pytest.raises(PartError, match=r"Mean\) gave distances \(\) float32, expected \(3,\) float$"):
        Mean()(maps(1), maps(2), ALL)


def test_unknown_loss_lists_near_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean cosine"):
        create_loss("cosin")


def test_std_cosine_ignores_an_offset_of_the_attention_and_cosine_does_not() -> None:
    attention, target = maps(1), maps(2)
    offset = attention + 5
    standard, plain = create_loss("std_cosine"), cosine_loss
    assert float(standard(offset, target, ALL)) == pytest.approx(float(standard(attention, target, ALL)), abs=1e-5)
    assert float(plain(offset, target, ALL)) != pytest.approx(float(plain(attention, target, ALL)), abs=1e-3)


def rows_of_cosine(*cosines: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Make attention maps of two cells with the given cosines to their targets, and these targets."""
    angles = torch.tensor(cosines, dtype=torch.float64).arccos()
    attention = torch.stack([angles.cos(), angles.sin()], 1).reshape(-1, 1, 2).float().requires_grad_()
    return attention, torch.tensor([[[1.0, 0.0]]]).expand(len(cosines), 1, 2)


def barrier(z: float, t: float) -> float:
    """The extended log-barrier of Kervadec et al. (arXiv 1904.04205), equation by equation."""
    return -math.log(-z) / t if z <= -1 / t**2 else t * z - math.log(1 / t**2) / t + 1 / t


@pytest.mark.parametrize(
    ("options", "time", "t"),
    [
        ({}, 0.5, 1.0), ({}, 1.0, 1.01), ({}, 99.9, 1.01**99), ({}, 231.9, 1.01**231), ({}, 240.5, 10.0),
        ({}, 1e6, 10.0), ({"growth": 2}, 2.5, 4.0), ({"first": 3}, 0.5, 3.0), ({"first": 5, "last": 5}, 0.5, 5.0),
        ({"growth": 1}, 1e6, 1.0), ({"growth": 1e300}, 1e6, 10.0),
    ],
)  # fmt: skip
class TestCosineBarrier:
    COSINES = (-1.0, -0.6, -1e-3, 0.0, 1e-3, 0.009, 0.02, 0.1, 0.5, 0.9, 1.0)

    def test_equals_the_barrier_of_the_published_schedule(self, options: dict, time: float, t: float) -> None:
        for cosine in self.COSINES:
            attention, target = rows_of_cosine(cosine)
            found = create_loss("cosine_barrier", **options)(attention, target, ALL[:1], time=time)
            assert found.item() == pytest.approx(barrier(-cosine, t), rel=1e-4, abs=2e-6), cosine

    def test_has_the_slope_of_the_barrier_times_that_of_the_cosine(self, options: dict, time: float, t: float) -> None:
        for cosine in self.COSINES[1:-1]:
            attention, target = rows_of_cosine(cosine)
            create_loss("cosine_barrier", **options)(attention, target, ALL[:1], time=time).backward()
            plain, _ = rows_of_cosine(cosine)
            cosine_loss(plain, target, ALL[:1]).backward()
            slope = 1 / (t * cosine) if cosine >= 1 / t**2 else t
            np.testing.assert_allclose(attention.grad, slope * plain.grad, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("t", [1.0, 1.5, 4.0, 10.0])
def test_the_barrier_and_its_slope_have_no_step_at_the_joint(t: float) -> None:
    loss, joint = create_loss("cosine_barrier", first=t, last=t), 1 / t**2
    distances = (1 - torch.tensor([joint * (1 + 1e-6), joint * (1 - 1e-6)], dtype=torch.float64)).requires_grad_()
    above, below = loss.at_time(distances, 0.0)
    assert above.item() == pytest.approx(below.item(), abs=1e-5)
    assert above.item() == pytest.approx(2 * math.log(t) / t, abs=1e-5)
    (above + below).backward()
    np.testing.assert_allclose(distances.grad, t, rtol=1e-5)


def test_a_barrier_is_never_negative_and_falls_with_the_cosine() -> None:
    for t in (1.0, 1.2, 3.0, 10.0):
        values = create_loss("cosine_barrier", first=t, last=t).at_time(torch.linspace(2, 0, 401), 0.0)
        assert (values.diff() < 0).all()
        assert values.min() >= -1e-6


def test_time_changes_the_barrier_alone_and_leaves_no_state() -> None:
    attention, target = attention_for("bce", 3), maps(4)
    for name in list_losses():
        loss = create_loss(name)
        first = float(loss(attention, target, ALL, time=0.0))
        later = float(loss(attention, target, ALL, time=150.0))
        assert (later != first) == (name == "cosine_barrier"), name
        assert float(loss(attention, target, ALL, time=0.0)) == first
        assert float(create_loss(name)(attention, target, ALL, time=150.0)) == later


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        (
            "cosine_barrier",
            {"growht": 2},
            "guidance loss 'cosine_barrier': growht: unknown key; did you mean growth?",
        ),
        ("cosine_barrier", {"growth": 0.9}, "growth: should be greater than or equal to 1, got 0.9"),
        ("cosine_barrier", {"first": "2"}, "first: should be a number, got '2'"),
        ("cosine_barrier", {"last": float("nan")}, "last: should be a finite number, got nan"),
        ("cosine_barrier", {"first": 20}, "first: should be at most last, which is 10, got 20"),
        ("cosine_barrier", {"first": 4, "last": 2}, "first: should be at most last, which is 2, got 4"),
        ("cosine", {"growth": 2}, "guidance loss 'cosine': growth: unknown key; there are none"),
    ],
)
def test_options_are_refused_in_one_line(name: str, options: dict, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        create_loss(name, **options)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from fer_au.evaluation import centered_cosine, cosine_alignment, map_auc
from fer_au.evaluation.map_scores import ClassFit, rank_sums

SCORES = [cosine_alignment, centered_cosine, map_auc]


def slow_cosine(a: np.ndarray, b: np.ndarray) -> float:
    pairs = list(zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))
    return sum(x * y for x, y in pairs) / math.sqrt(sum(x * x for x, _ in pairs) * sum(y * y for _, y in pairs))


def slow_auc(a: np.ndarray, target: np.ndarray) -> float:
    inside = [x for x, t in zip(a.ravel(), target.ravel(), strict=True) if t >= target.max() / 2]
    outside = [x for x, t in zip(a.ravel(), target.ravel(), strict=True) if t < target.max() / 2]
    wins = sum(1.0 if x > y else 0.5 if x == y else 0.0 for x in inside for y in outside)
    return wins / (len(inside) * len(outside))


def random_pair(rng: np.random.Generator, n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    return rng.random((n, 7, 5)), rng.random((n, 7, 5)) ** 3


def test_cosine_is_the_dot_product_over_the_norms(rng):
    maps, targets = random_pair(rng)
    expected = [slow_cosine(a, b) for a, b in zip(maps, targets, strict=True)]
    np.testing.assert_allclose(cosine_alignment(maps, targets), expected, rtol=1e-12)


def test_centred_cosine_is_pearsons_correlation(rng):
    maps, targets = random_pair(rng)
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(maps, targets, strict=True)]
    np.testing.assert_allclose(centered_cosine(maps, targets), expected, rtol=1e-10)


def test_auc_counts_pairs_of_pixels_with_ties_half(rng):
    maps, targets = random_pair(rng)
    maps = np.round(maps, 1)  # many ties
    expected = [slow_auc(a, b) for a, b in zip(maps, targets, strict=True)]
    np.testing.assert_allclose(map_auc(maps, targets), expected, rtol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_a_target_agrees_fully_with_itself(score, rng):
    targets = random_pair(rng)[1]
    np.testing.assert_allclose(score(targets, targets), 1.0, atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
@settings(max_examples=25)
@given(gain=st.floats(1e-3, 1e3), seed=st.integers(0, 10_000))
def test_a_positive_gain_changes_no_score(score, gain, seed):
    maps, targets = random_pair(np.random.default_rng(seed), 2)
    np.testing.assert_allclose(score(gain * maps, targets / gain), score(maps, targets), atol=1e-9)


@pytest.mark.parametrize("levels", [1, 2, 30, 10**6])
def test_ranks_are_those_of_scipy(levels: int) -> None:
    rows = np.random.default_rng(levels).integers(-levels, levels, (50, 196)).astype(np.float32)
    chosen = np.random.default_rng(5).random(rows.shape) < 0.2
    expected = np.where(chosen, rankdata(rows, axis=1), 0).sum(axis=1)
    np.testing.assert_array_equal(rank_sums(rows.astype(np.float64), chosen), expected)
    assert rank_sums(np.zeros((0, 196)), np.zeros((0, 196), bool)).shape == (0,)


@pytest.mark.parametrize("score", [centered_cosine, map_auc])
def test_an_offset_changes_no_centred_score_but_raises_the_plain_cosine(score, rng):
    maps, targets = random_pair(rng)
    np.testing.assert_allclose(score(maps + 5, targets), score(maps, targets), atol=1e-9)
    assert not np.allclose(cosine_alignment(maps + 5, targets), cosine_alignment(maps, targets), atol=1e-2)


@pytest.mark.parametrize("score", SCORES)
def test_moving_pixels_of_both_together_changes_no_score(score, rng):
    maps, targets = random_pair(rng)
    order = rng.permutation(35)
    shuffled = [x.reshape(-1, 35)[:, order].reshape(x.shape) for x in (maps, targets)]
    np.testing.assert_allclose(score(*shuffled), score(maps, targets), atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_images_do_not_touch_each_other(score, rng):
    maps, targets = random_pair(rng)
    alone = [score(maps[i : i + 1], targets[i : i + 1])[0] for i in range(len(maps))]
    np.testing.assert_allclose(score(maps, targets), alone, rtol=1e-12)


@pytest.mark.parametrize(("score", "chance"), [(cosine_alignment, 0.0), (centered_cosine, 0.0), (map_auc, 0.5)])
def test_a_dead_map_scores_like_chance_and_is_not_left_out(score, chance, rng):
    targets = random_pair(rng)[1]
    np.testing.assert_array_equal(score(np.zeros_like(targets), targets), chance)


def test_a_constant_map_has_no_centred_score_and_a_known_cosine(rng):
    targets = random_pair(rng)[1].astype(np.float32)
    blank = np.full_like(targets, np.float32(0.1))
    np.testing.assert_array_equal(centered_cosine(blank, targets), 0.0)
    np.testing.assert_array_equal(map_auc(blank, targets), 0.5)
    rows = targets.reshape(len(targets), -1).astype(np.float64)
    expected = rows.sum(axis=1) / np.sqrt((rows**2).sum(axis=1) * rows.shape[1])
    np.testing.assert_allclose(cosine_alignment(blank, targets), expected, rtol=1e-6)


@pytest.mark.parametrize(("score", "chance"), [(centered_cosine, 0.0), (map_auc, 0.5)])
def test_float32_rounding_of_a_constant_map_is_no_map(score, chance, rng):
    targets = random_pair(rng)[1].astype(np.float32)
    noisy = (0.3 + 3e-8 * rng.integers(-2, 3, targets.shape)).astype(np.float32)
    assert np.ptp(noisy) > 0
    np.testing.assert_array_equal(score(noisy, targets), chance)


@pytest.mark.parametrize("score", SCORES)
def test_a_target_that_asks_for_nothing_has_no_score(score, rng):
    maps = random_pair(rng)[0]
    assert np.isnan(score(maps, np.zeros_like(maps))).all()


@pytest.mark.parametrize("score", SCORES)
def test_a_nan_spoils_its_own_image_only(score, rng):
    maps, targets = random_pair(rng)
    clean = score(maps, targets)
    maps[0, 0, 0], targets[1, 2, 2] = np.nan, np.nan
    dirty = score(maps, targets)
    assert np.isnan(dirty[:2]).all()
    np.testing.assert_array_equal(dirty[2:], clean[2:])


@pytest.mark.parametrize("score", SCORES)
def test_tensors_in_give_tensors_out(score, rng):
    maps, targets = random_pair(rng)
    found = score(torch.from_numpy(maps), torch.from_numpy(targets))
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.numpy(), score(maps, targets), rtol=1e-6)


def test_bfloat16_maps_are_scored_in_full_precision(rng):
    maps, targets = random_pair(rng)
    coarse = torch.from_numpy(maps).bfloat16()
    found = cosine_alignment(coarse, torch.from_numpy(targets))
    np.testing.assert_allclose(found.numpy(), cosine_alignment(coarse.float().numpy(), targets), rtol=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_no_images_give_no_scores(score):
    assert score(np.zeros((0, 4, 4)), np.zeros((0, 4, 4))).shape == (0,)


@pytest.mark.parametrize("score", SCORES)
def test_different_grids_are_refused(score):
    with pytest.raises(ValueError, match="one grid first"):
        score(np.ones((1, 4, 4)), np.ones((1, 7, 7)))


def test_the_own_target_wins_ties_split_evenly_and_a_blank_map_is_at_chance() -> None:
    cells = np.eye(4).reshape(1, 4, 2, 2)
    maps = np.array([[[1.0, 0], [0, 0]], [[0, 1.0], [0, 0]], [[1.0, 1.0], [0, 0]], [[3.0, 3.0], [3.0, 3.0]]])
    rank, auc = ClassFit(np.repeat(cells, 4, axis=0), np.zeros(4, np.int64))(maps)
    assert rank.tolist() == [1.0, 0.0, 0.5, 0.25]
    assert auc.tolist() == pytest.approx([1.0, 1 / 3, 5 / 6, 0.5])


@pytest.mark.parametrize("fault", ["no own target", "one target alone", "a target that is not drawn", "a NaN"])
def test_without_a_choice_the_fit_is_undefined(fault: str, rng: np.random.Generator) -> None:
    choices, maps, own = rng.random((1, 3, 4, 4)), rng.random((1, 4, 4)), np.array([1])
    assert np.isfinite(ClassFit(choices, own)(maps)).all()
    if fault == "no own target":
        own = np.array([-1])
    elif fault == "one target alone":
        choices, own = choices[:, :1], np.array([0])
    elif fault == "a NaN":
        maps[0, 1, 1] = np.nan
    else:
        choices[0, 2] = np.nan
    assert np.isnan(ClassFit(choices, own)(maps)).all()


def test_the_fit_ignores_offset_and_gain_of_maps_and_targets(rng: np.random.Generator) -> None:
    gains, offsets = rng.random((2, 99, 5, 1, 1))  # of expressions with few and many action units
    choices, maps, own = rng.random((99, 5, 6, 6)) * gains + 2 * offsets, rng.normal(size=(99, 6, 6)), np.arange(99) % 5
    fit = ClassFit(choices, own)
    np.testing.assert_allclose(fit(maps), fit(7 * maps - 3))
    cosines = [centered_cosine(maps, choices[:, k]) for k in range(5)]
    best = np.argmax(cosines, axis=0)
    np.testing.assert_array_equal(fit(maps)[0], best == own)

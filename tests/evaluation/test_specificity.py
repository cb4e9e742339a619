from __future__ import annotations

import numpy as np
import pytest

from fer_au.evaluation.similarity import cosine_alignment
from fer_au.evaluation.specificity import own_target_rank

LABELS = ["anger"] * 6 + ["fear"] * 4


def slow_rank(maps: np.ndarray, targets: np.ndarray, labels: list[str]) -> list[float]:
    ranks = []
    for i, label in enumerate(labels):
        own = cosine_alignment(maps[i : i + 1], targets[i : i + 1])[0]
        others = [
            cosine_alignment(maps[i : i + 1], targets[j : j + 1])[0]
            for j, other in enumerate(labels)
            if other == label and j != i
        ]
        ranks.append(float(np.mean([1.0 if own > x else 0.5 if own == x else 0.0 for x in others])))
    return ranks


def test_rank_is_the_share_of_the_class_that_the_own_target_beats(rng):
    maps, targets = rng.random((10, 5, 5)), rng.random((10, 5, 5))
    np.testing.assert_allclose(own_target_rank(maps, targets, LABELS), slow_rank(maps, targets, LABELS))


def test_the_target_itself_is_fully_specific(rng):
    targets = rng.random((10, 5, 5))
    np.testing.assert_array_equal(own_target_rank(targets, targets, LABELS), 1.0)


def test_one_map_for_all_is_exactly_chance_whatever_it_is(rng):
    targets = rng.random((10, 5, 5))
    for constant in (np.ones((5, 5)), targets.mean(axis=0), rng.random((5, 5))):
        ranks = own_target_rank(np.repeat(constant[None], 10, axis=0), targets, LABELS)
        assert ranks[:6].mean() == pytest.approx(0.5)
        assert ranks[6:].mean() == pytest.approx(0.5)


def test_equal_targets_tie():
    targets = np.repeat(np.eye(5)[None], 10, axis=0)
    np.testing.assert_array_equal(own_target_rank(targets, targets, LABELS), 0.5)


def test_gains_of_maps_and_targets_do_not_matter(rng):
    maps, targets = rng.random((10, 5, 5)), rng.random((10, 5, 5))
    gains = rng.random((10, 1, 1)) + 0.1
    np.testing.assert_array_equal(
        own_target_rank(maps * gains, targets / gains, LABELS), own_target_rank(maps, targets, LABELS)
    )


def test_a_lone_image_a_zero_target_and_a_nan_have_no_rank(rng):
    maps, targets = rng.random((6, 5, 5)), rng.random((6, 5, 5))
    targets[1], maps[2, 0, 0] = 0, np.nan
    ranks = own_target_rank(maps, targets, ["anger"] * 5 + ["fear"])
    np.testing.assert_array_equal(np.isnan(ranks), [False, True, True, False, False, True])

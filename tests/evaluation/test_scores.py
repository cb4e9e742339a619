from __future__ import annotations

import math

import numpy as np
import pytest

from fer_au.evaluation import expression_means, macro_mean
from fer_au.evaluation.scores import masked

LABELS = ["anger", "anger", "anger", "neutral", "fear", "sadness"]


def test_every_expression_weighs_the_same_and_neutral_nothing():
    scores = np.array([0.1, 0.2, 0.3, 99.0, 0.8, np.nan])
    assert expression_means(scores, LABELS) == pytest.approx({"anger": 0.2, "fear": 0.8})
    assert macro_mean(scores, LABELS) == pytest.approx(0.5)


def test_nothing_defined_gives_nan_not_zero():
    assert math.isnan(macro_mean(np.full(6, np.nan), LABELS))
    assert math.isnan(macro_mean(np.zeros(0), []))


def test_order_of_images_does_not_matter(rng):
    scores = rng.random(6)
    order = rng.permutation(6)
    assert macro_mean(scores[order], [LABELS[i] for i in order]) == pytest.approx(macro_mean(scores, LABELS))


def test_masked_scores_are_undefined_and_the_input_is_kept():
    scores = np.array([1.0, 2.0])
    np.testing.assert_array_equal(masked(scores, np.array([True, False])), [1.0, np.nan])
    assert scores[1] == 2.0


def test_lengths_must_match():
    with pytest.raises(ValueError, match="2 scores for 6 labels"):
        macro_mean(np.zeros(2), LABELS)

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fer_au.evaluation import expression_means, macro_mean
from fer_au.evaluation.comparison import comparison_maps
from fer_au.evaluation.scores import masked
from fer_au.maps import shift_non_negative
from fer_au.resizing import resize_maps

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
    with pytest.raises(ValueError, match="labels: expected one for each of 2 faces, got 6"):
        macro_mean(np.zeros(2), LABELS)


@pytest.mark.parametrize("size", [1, 5, 14, 28])
@pytest.mark.parametrize("grid", [(1, 1), (3, 3), (7, 7), (14, 14), (28, 28), (29, 28), (56, 56), (7, 40), (40, 7)])
def test_maps_are_compared_without_torch_as_torch_resizes_them(grid, size):
    rng = np.random.default_rng(size)
    maps = rng.normal(rng.uniform(-1, 2, (6, 1, 1)), 1, (6, *grid)).astype(np.float16)
    tensor = torch.from_numpy(maps.astype(np.float32))
    expected = resize_maps(shift_non_negative(tensor), size).double().numpy()
    np.testing.assert_allclose(comparison_maps(maps, size), expected, atol=1e-5)
    assert comparison_maps(maps[:0], size).shape == (0, size, size)

"""The smallest difference that a test set could have shown."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fer_au.evaluation import paired_bootstrap
from fer_au.evaluation.power import detectable_difference


def answers(images: int, only_one: int, only_other: int) -> tuple[np.ndarray, np.ndarray]:
    """Right answers of two models that differ on some images."""
    one, other = np.ones(images), np.ones(images)
    other[:only_one] = 0
    one[only_one : only_one + only_other] = 0
    return one, other


def test_it_is_that_of_mcnemars_test() -> None:
    one, other = answers(1500, 60, 60)
    expected = (1.959964 + 0.841621) * math.sqrt(120) / 1500  # Connor 1987, at equal numbers of discordant pairs
    assert detectable_difference(paired_bootstrap(one, other)) == pytest.approx(expected, rel=0.03)


def test_a_difference_of_that_size_is_found_four_times_in_five() -> None:
    images, discordant = 400, 0.2
    error = math.sqrt(discordant / images)
    true = 2.8 * error
    share = 0.5 + true / discordant / 2
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        differing = int(generator.binomial(images, discordant))
        better = int(generator.binomial(differing, share))
        result = paired_bootstrap(*answers(images, better, differing - better), 400)
        found += result.p < 0.05
        assert detectable_difference(result) == pytest.approx(true, rel=0.35)
    assert 0.7 < found / 200 < 0.9


def test_models_that_err_alike_are_told_apart_on_fewer_images() -> None:
    alike, apart = (detectable_difference(paired_bootstrap(*answers(1000, k, k))) for k in (10, 200))
    assert alike < 0.3 * apart


def test_images_on_which_nothing_differs_still_show_only_large_differences() -> None:
    few, many = (detectable_difference(paired_bootstrap(*answers(images, 0, 0))) for images in (15, 1500))
    assert few == pytest.approx(0.17, abs=0.01)
    assert many < 0.01
    assert math.isnan(detectable_difference(paired_bootstrap(np.array([math.nan]), np.array([0.0]))))

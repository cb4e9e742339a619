"""The share of a crop outside its picture, against counted pixels and cases that can be told without computing."""

from __future__ import annotations

import numpy as np
import pytest

from fer_au.faces.geometry import apply_matrix, invert_matrix
from fer_au.faces.outside import Outside, outside_shares


def similarity(angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    cosine, sine = scale * np.cos(np.deg2rad(angle)), scale * np.sin(np.deg2rad(angle))
    return np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]]])


@pytest.mark.parametrize(
    ("matrix", "share"),
    [
        (similarity(0, 1, (0, 0)), 0.0),
        (similarity(0, 0.5, (0, 0)), 0.75),
        (similarity(0, 2, (-10, -10)), 0.0),
        (similarity(0, 1, (50, 0)), 0.5),
        (similarity(0, 1, (-150, 0)), 1.0),
        (similarity(0, 1, (0, -30)), 0.3),
        (similarity(90, 1, (100, 0)), 0.0),
    ],
)
def test_shares_that_are_known(matrix: np.ndarray, share: float) -> None:
    assert outside_shares(matrix[None], np.array([[100, 100]]), 100) == pytest.approx([share], abs=1e-6)


def test_a_square_turned_by_45_degrees_shares_an_octagon() -> None:
    """Two squares of side 1 with one centre: their common part is a regular octagon of inradius 1/2."""
    octagon = 8 * 0.25 * np.tan(np.pi / 8)
    turned = similarity(45, 1, (50, 50 - 50 * 2**0.5))
    assert outside_shares(turned[None], np.array([[100, 100]]), 100) == pytest.approx([1 - octagon], abs=1e-6)


def test_shares_are_those_of_counted_pixels() -> None:
    generator = np.random.default_rng(0)
    sizes = generator.integers(20, 200, (40, 2))
    matrices = np.stack(
        [similarity(a, s, (x, y)) for a, s, x, y in generator.uniform((-180, 0.2, -80, -80), (180, 3, 80, 80), (40, 4))]
    )
    places = np.stack(np.meshgrid(*[(np.arange(400) + 0.5) * 64 / 400] * 2), -1).reshape(-1, 2)
    counted = []
    for matrix, size in zip(matrices, sizes, strict=True):
        there = apply_matrix(invert_matrix(matrix), places)
        counted.append(1 - ((there >= 0) & (there < size)).all(axis=1).mean())
    found = outside_shares(matrices, sizes, 64)
    assert found.dtype == np.float32
    assert 0.1 < np.mean(counted) < 0.9
    np.testing.assert_allclose(found, counted, atol=0.004)


def test_a_row_without_a_crop_has_no_share() -> None:
    matrices = np.stack([similarity(0, 1, (0, 0)), np.full((2, 3), np.nan)])
    np.testing.assert_array_equal(outside_shares(matrices, np.array([[9, 9], [9, 9]]), 9), [0, np.nan])
    assert outside_shares(np.zeros((0, 2, 3)), np.zeros((0, 2)), 9).shape == (0,)


def test_shares_are_summed_up_and_advice_follows_the_median() -> None:
    shares = Outside.of(np.array([0.0, 0.2, 0.3, np.nan], np.float32))
    assert shares.text == "20 % of a crop outside its picture (median)"
    assert "datasets.mine.align: {template: tight}" in shares.advice("mine", "loose")
    assert "the square around them" in shares.advice("mine", "none")
    assert shares.advice("mine", "tight") == ""
    assert Outside.of(np.array([0.0, 0.05, 0.3])).advice("mine", "loose") == ""
    empty = Outside.of(np.array([np.nan]))
    assert (empty.text, empty.sentence, empty.advice("mine", "loose")) == ("no crop", "", "")

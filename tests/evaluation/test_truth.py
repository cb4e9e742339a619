from __future__ import annotations

import numpy as np
import pytest

from fer_au.evaluation.truth import motion_in_crop


def blob(x: float, y: float, size: int = 64) -> np.ndarray:
    """A Gaussian spot of a picture that is 1 wide and 1 high."""
    axis = (np.arange(size) + 0.5) / size
    return np.exp(-((axis[None] - x) ** 2 + (axis[:, None] - y) ** 2) / (2 * 0.06**2))


def centre(maps: np.ndarray) -> tuple[float, float]:
    axis = (np.arange(maps.shape[-1]) + 0.5) / maps.shape[-1]
    return float((maps.sum(axis=0) * axis).sum() / maps.sum()), float((maps.sum(axis=1) * axis).sum() / maps.sum())


def test_the_whole_picture_as_crop_keeps_every_place():
    found = motion_in_crop(blob(0.3, 0.6)[None], np.array([[256.0, 256.0]]), np.eye(2, 3)[None], 256, (28, 28))
    assert centre(found[0]) == pytest.approx((0.3, 0.6), abs=0.003)
    assert found.max() == pytest.approx(1.0, abs=0.08)


def test_motion_follows_the_similarity_from_picture_to_crop():
    angle, zoom = np.deg2rad(20), 0.7
    linear = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([linear, [60.0, -10.0]])
    source = np.array([0.55 * 300, 0.4 * 200])  # a picture of 300 x 200
    expected = (linear @ source + [60.0, -10.0]) / 224
    found = motion_in_crop(blob(0.55, 0.4)[None], np.array([[300.0, 200.0]]), matrix[None], 224, (28, 28))
    assert centre(found[0]) == pytest.approx(tuple(expected), abs=0.005)


def test_outside_the_picture_nothing_moves():
    shift = np.array([[1.0, 0, 128], [0, 1.0, 0]])
    found = motion_in_crop(np.ones((1, 64, 64)), np.array([[256.0, 256.0]]), shift[None], 256, (28, 28))
    assert (found[0, :, :13] == 0).all()
    np.testing.assert_allclose(found[0, 1:-1, 15:], 1.0)


@pytest.mark.parametrize("matrix", [np.full((2, 3), np.nan), np.zeros((2, 3))])
def test_without_a_crop_there_is_no_motion_map(matrix):
    found = motion_in_crop(np.ones((1, 64, 64)), np.array([[256.0, 256.0]]), matrix[None], 256, (28, 28))
    assert np.isnan(found).all()

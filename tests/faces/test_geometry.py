from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_au.faces import geometry

ANGLE = st.floats(-np.pi, np.pi)
SCALE = st.floats(0.05, 20)
SHIFT = st.floats(-500, 500)


def similarity(angle, scale, x, y):
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


@given(ANGLE, SCALE, SHIFT, SHIFT, st.integers(2, 70), st.integers(0, 1000))
def test_a_similarity_is_recovered_exactly(angle, scale, x, y, count, seed):
    matrix = similarity(angle, scale, x, y)
    points = np.random.default_rng(seed).uniform(-100, 100, (count, 2))
    fitted = geometry.fit_similarity(points, geometry.apply_matrix(matrix, points))
    np.testing.assert_allclose(fitted, matrix, atol=1e-7 * max(scale, 1) * 100)


@given(st.integers(0, 1000))
def test_the_fit_agrees_with_umeyama_by_singular_values(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(5, 2)) * 30, rng.normal(size=(5, 2)) * 30
    a0, b0 = a - a.mean(0), b - b.mean(0)
    u, d, vt = np.linalg.svd(b0.T @ a0)
    sign = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    linear = u @ sign @ vt * (d * np.diag(sign)).sum() / (a0**2).sum()
    np.testing.assert_allclose(geometry.fit_similarity(a, b)[:, :2], linear, atol=1e-9)


def test_a_mirrored_target_is_never_fitted_by_a_reflection():
    points = np.random.default_rng(0).uniform(0, 100, (5, 2))
    fitted = geometry.fit_similarity(points, points * (-1, 1))
    assert np.linalg.det(fitted[:, :2]) >= 0


@given(ANGLE, SCALE, SHIFT, SHIFT)
def test_the_inverse_takes_points_back(angle, scale, x, y):
    matrix = similarity(angle, scale, x, y)
    points = np.array([[0.5, 0.5], [100, -30], [7, 8]])
    there = geometry.apply_matrix(matrix, points)
    np.testing.assert_allclose(geometry.apply_matrix(geometry.invert_matrix(matrix), there), points, atol=1e-6)


@given(ANGLE, SCALE, SHIFT, ANGLE, SCALE, SHIFT)
def test_compose_applies_the_first_and_then_the_second(a1, s1, x1, a2, s2, x2):
    first, second = similarity(a1, s1, x1, 3), similarity(a2, s2, x2, -4)
    points = np.array([[1.0, 2], [30, 40]])
    step = geometry.apply_matrix(second, geometry.apply_matrix(first, points))
    np.testing.assert_allclose(geometry.apply_matrix(geometry.compose(second, first), points), step, rtol=1e-9)
    assert geometry.matrix_scale(first) == pytest.approx(s1)


def test_many_matrices_map_many_point_sets_row_by_row():
    rng = np.random.default_rng(1)
    matrices, points = rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 68, 2))
    rows = np.stack([geometry.apply_matrix(m, p) for m, p in zip(matrices, points, strict=True)])
    np.testing.assert_allclose(geometry.apply_matrix(matrices, points), rows)


def test_box_to_box_maps_centre_to_centre():
    matrix = geometry.box_to_box((10, 20, 30, 40), (0, 0, 100, 100))
    np.testing.assert_allclose(geometry.apply_matrix(matrix, [[20, 30], [10, 20]]), [[50, 50], [0, 0]])


def test_a_turned_box_keeps_its_size():
    matrix = similarity(np.pi / 4, 2, 5, 5)
    box = geometry.map_box(matrix, (0, 0, 10, 20))
    np.testing.assert_allclose(box[2:] - box[:2], (20, 40))


def test_iou_of_equal_apart_and_empty_boxes():
    assert geometry.box_iou((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert geometry.box_iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert geometry.box_iou((0, 0, 1, 1), (2, 2, 3, 3)) == 0
    assert geometry.box_iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.zeros((5, 2)), np.ones((5, 2))),
        (np.zeros((1, 2)), np.zeros((1, 2))),
        (np.full((5, 2), np.nan), np.zeros((5, 2))),
        (np.zeros((5, 3)), np.zeros((5, 3))),
    ],
)
def test_points_that_decide_nothing_are_refused(source, target):
    with pytest.raises(ValueError, match=r"points|arrays"):
        geometry.fit_similarity(source, target)


def test_a_singular_matrix_has_no_inverse():
    with pytest.raises(ValueError, match="inverted"):
        geometry.invert_matrix(np.zeros((2, 3)))

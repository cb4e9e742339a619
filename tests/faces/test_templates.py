from __future__ import annotations

import numpy as np
import pytest

from fer_au.errors import UnknownNameError
from fer_au.faces import templates
from fer_au.faces.geometry import apply_matrix, fit_similarity, invert_matrix, matrix_scale
from fer_au.faces.outside import outside_shares
from fer_au.faces.templates import shrink_inside
from fer_au.ibug68 import CHIN, JAW, MEAN_FACE, MOUTH, inter_ocular_distance, mirror_points

LOOSE = templates.TEMPLATES["loose"]
ARCFACE = templates.TEMPLATES["arcface"]


def wide_open():
    """The average face with the jaw dropped by 0.4 inter-ocular distances and brows raised by 0.15."""
    face = MEAN_FACE.copy()
    face[list(JAW[4:13]), 1] += 0.4
    face[[55, 56, 57, 58, 59, 65, 66, 67], 1] += 0.38
    face[17:27, 1] -= 0.15
    return face


def test_the_mean_face_is_complete_symmetric_and_in_inter_ocular_units():
    assert np.isfinite(MEAN_FACE).all()
    np.testing.assert_allclose(mirror_points(MEAN_FACE, 0), MEAN_FACE, atol=1e-12)
    assert inter_ocular_distance(MEAN_FACE) == 1
    assert MEAN_FACE[CHIN, 1] > MEAN_FACE[list(MOUTH), 1].max() > 0 > MEAN_FACE[17:27, 1].max()


@pytest.mark.parametrize("size", [64, 112, 256])
def test_loose_keeps_an_open_mouth_and_raised_brows_in_the_frame(size):
    face = wide_open()
    matrix = fit_similarity(templates.five_points(face), LOOSE.five(size))
    placed = apply_matrix(matrix, face)
    margin = 0.02 * size
    assert (placed > margin).all()
    assert (placed < size - margin).all()
    forehead = apply_matrix(matrix, [0, -0.7])
    assert forehead[1] > 0


@pytest.mark.parametrize("size", [64, 112, 256])
def test_loose_wastes_no_frame(size):
    face = LOOSE.mean_face(size)
    assert inter_ocular_distance(face) > 0.39 * size
    assert face[CHIN, 1] > 0.8 * size


def test_loose_is_mirror_symmetric():
    face = LOOSE.mean_face(256)
    np.testing.assert_allclose(mirror_points(face, 256), face, atol=1e-9)


def test_arcface_repeats_the_published_points_at_112_and_224():
    published = np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    )
    # Published as indices of pixels, whose centres are at +0.5 here.
    np.testing.assert_allclose(ARCFACE.five(112), published + 0.5)
    np.testing.assert_allclose(ARCFACE.five(224), 2 * published + 0.5)


def test_arcface_cuts_the_open_chin_as_published():
    face = wide_open()
    placed = apply_matrix(fit_similarity(templates.five_points(face), ARCFACE.five(112)), face)
    assert placed[CHIN, 1] > 112


def test_the_average_face_fits_the_arcface_points_roughly():
    error = templates.five_points(ARCFACE.mean_face(112)) - ARCFACE.five(112)
    assert np.abs(error).max() < 4


@pytest.mark.parametrize("template", [LOOSE, ARCFACE])
def test_targets_scale_with_the_crop(template):
    small, large = template.mean_face(100), template.mean_face(200)
    np.testing.assert_allclose(large, 2 * small, atol=0.6)


def test_a_face_box_and_its_points_imply_each_other(hog_box_of):
    box = np.array([30.0, 40, 130, 140])
    np.testing.assert_allclose(hog_box_of(templates.mean_face_in(box)), box, atol=1e-9)
    np.testing.assert_allclose(hog_box_of(LOOSE.mean_face(256)), LOOSE.face_box(256), atol=1e-9)


def test_keeping_a_crop_fills_the_frame_with_the_square_around_it():
    matrix = templates.keep_crop(np.array([10.0, 0, 50, 80]), 160)
    np.testing.assert_allclose(apply_matrix(matrix, [[-10, 0], [70, 80]]), [[0, 0], [160, 160]])


def test_an_empty_box_is_no_crop():
    with pytest.raises(ValueError, match="inside"):
        templates.keep_crop(np.array([5.0, 5, 5, 9]), 10)


def test_default_boxes_are_for_square_crops_only():
    boxes = templates.crop_boxes(np.zeros((3, 64, 64, 3), np.uint8))
    np.testing.assert_allclose(boxes, np.tile(LOOSE.face_box(64), (3, 1)))
    with pytest.raises(ValueError, match="square"):
        templates.crop_boxes(np.zeros((3, 64, 60, 3), np.uint8))


def test_an_unknown_template_lists_near_names():
    with pytest.raises(UnknownNameError, match="loose"):
        templates.get_template("lose")


@pytest.mark.parametrize("seed", range(20))
def test_a_crop_that_is_shrunk_inside_lies_inside_and_keeps_its_rotation(seed):
    generator = np.random.default_rng(seed)
    width, height = generator.integers(30, 200, 2).tolist()
    angle, scale, x, y = generator.uniform((-180, 0.2, -200, -200), (180, 3, 200, 200)).tolist()
    cosine, sine = scale * np.cos(np.deg2rad(angle)), scale * np.sin(np.deg2rad(angle))
    before = np.array([[cosine, -sine, x], [sine, cosine, y]])
    after = shrink_inside(before, 64, width, height)
    assert outside_shares(after[None], np.array([[width, height]]), 64) == pytest.approx([0], abs=1e-6)
    np.testing.assert_allclose(after[:, :2] / matrix_scale(after), before[:, :2] / scale, atol=1e-9)
    assert matrix_scale(after) >= scale * (1 - 1e-9)
    corners = apply_matrix(invert_matrix(after), [[0, 0], [64, 0], [64, 64], [0, 64]])
    touches = np.isclose(corners, 0, atol=1e-6) | np.isclose(corners, (width, height), atol=1e-6)
    assert touches.any() or np.allclose(before, after)  # no smaller, and moved no further, than it has to be


def test_a_crop_with_room_stays_as_it_is():
    before = np.array([[1.0, 0, -20], [0, 1, -20]])
    assert shrink_inside(before, 50, 100, 100) is before

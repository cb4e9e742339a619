"""The face mesh: its map to 68 points, its regions, its presence."""

from __future__ import annotations

from collections import defaultdict

import cv2
import numpy as np
import pytest

from fer_au.faces.geometry import apply_matrix
from fer_au.faces.templates import crop_boxes
from fer_au.landmarks import MIRROR, create_extractor, normalised_error
from fer_au.landmarks.mediapipe import MIN_PRESENCE, first_region, load_map
from fer_au.landmarks.mediapipe_mesh import EYE_CORNERS, N_MESH, SIZE, find_mesh, region_of_mesh, square_region


def test_each_point_lies_between_a_few_mesh_points():
    matrix = load_map()
    assert matrix.shape == (68, N_MESH)
    np.testing.assert_allclose(matrix.sum(1), 1)
    assert (matrix >= 0).all()
    used = (matrix > 0).sum(1)
    middle = np.arange(68) == MIRROR
    assert used[~middle].max() <= 4
    assert used[middle].max() <= 8


def test_the_map_is_exactly_mirror_symmetric():
    """Left rows use the mirror partners of what right rows use, with the same weights, and partners pair up."""
    matrix = load_map()
    partners = defaultdict(set)
    for point, other in enumerate(MIRROR):
        weights, mirrored = matrix[point], matrix[other]
        assert sorted(weights[weights > 0]) == sorted(mirrored[mirrored > 0])
        for mesh_point in np.flatnonzero(weights):
            partners[int(mesh_point)].update(np.flatnonzero(mirrored == weights[mesh_point]).tolist())
    for known in ((33, 263), (133, 362), (61, 291)):  # corners of eyes and mouth
        for one, other in (known, known[::-1]):
            assert one not in partners or other in partners[one]


def test_the_region_puts_level_eyes_around_the_middle():
    mesh = np.random.default_rng(0).uniform(-40, 40, (N_MESH, 2))
    mesh[EYE_CORNERS[0]], mesh[EYE_CORNERS[1]] = (-20, -10), (20, 10)
    inside = apply_matrix(region_of_mesh(mesh + 300), mesh + 300)
    right, left = inside[list(EYE_CORNERS)]
    assert right[1] == pytest.approx(left[1])
    assert left[0] > right[0]
    middle = (mesh.min(0) + mesh.max(0)) / 2 + 300
    np.testing.assert_allclose(apply_matrix(region_of_mesh(mesh + 300), middle), SIZE / 2)
    side = SIZE / np.linalg.norm(region_of_mesh(mesh)[0, :2])
    assert side == pytest.approx(1.5 * np.ptp(mesh, axis=0).max())


@pytest.mark.parametrize("degrees", [-30, 30])
def test_tilted_faces_are_found_from_an_upright_box(crops, degrees):
    images, truth = crops[0][:6], crops[1][:6]
    turn = cv2.getRotationMatrix2D((127.5, 110), degrees, 1.0)  # about the face's middle, in pixel centres
    tilted = np.stack([cv2.warpAffine(i, turn, (256, 256), borderMode=cv2.BORDER_REPLICATE) for i in images])
    expected = apply_matrix(turn, truth - 0.5) + 0.5
    points, score = create_extractor("mediapipe").extract(tilted, crop_boxes(tilted))
    assert normalised_error(points, expected).mean() < 0.05
    assert (score > MIN_PRESENCE).all()


def test_the_result_hardly_depends_on_the_box(crops):
    images = crops[0]
    boxes = crop_boxes(images)
    extractor = create_extractor("mediapipe")
    plain, _ = extractor.extract(images, boxes)
    side = boxes[:, 2:3] - boxes[:, :1]
    moved, _ = extractor.extract(images, boxes + 0.15 * side * np.array([1, -1, 1, -1]))
    larger, _ = extractor.extract(images, boxes + 0.15 * side * np.array([-1, -1, 1, 1]))
    assert normalised_error(moved, plain).mean() < 0.02
    assert normalised_error(larger, plain).mean() < 0.02


def test_what_is_no_face_has_a_low_score_and_no_points(crops):
    rng = np.random.default_rng(0)
    noise = [cv2.GaussianBlur(rng.integers(0, 256, (256, 256, 3), np.uint8), (0, 0), sigma) for sigma in (0.5, 3, 20)]
    images = np.stack([np.zeros((256, 256, 3), np.uint8), *noise, crops[0][0]])
    points, score = create_extractor("mediapipe").extract(images)
    assert (score[:-1] < 0.1).all()
    assert np.isnan(points[:-1]).all()
    assert score[-1] > 0.99
    assert np.isfinite(points[-1]).all()


def test_the_mesh_does_not_depend_on_opencvs_threads(crops):
    image = crops[0][0]
    region = first_region(crop_boxes(image[None])[0])
    before = cv2.getNumThreads()
    try:
        found = []
        for threads in (1, 2, 4):
            cv2.setNumThreads(threads)
            found.append(find_mesh(image, region).points.tobytes())
    finally:
        cv2.setNumThreads(before)
    assert len(set(found)) == 1


def test_a_region_of_any_place_gives_points_of_the_picture(crops):
    image, truth = crops[0][0], crops[1][0]
    low, high = truth.min(0), truth.max(0)
    mesh = find_mesh(image, square_region((low + high) / 2, 1.6 * float((high - low).max())))
    assert mesh.presence > 0.99
    assert normalised_error(load_map() @ mesh.points, truth).mean() < 0.06

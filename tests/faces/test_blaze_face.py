from __future__ import annotations

import cv2
import numpy as np
import pytest

from fer_au.faces.blaze_face import anchors, decode, forward
from fer_au.faces.candidates import Candidates, merge, overlaps


def candidates(boxes, scores):
    boxes = np.array(boxes, float)
    return Candidates(boxes, np.repeat(boxes[:, None, :2], 6, axis=1), np.array(scores, float))


def test_anchors_are_the_cells_of_two_grids():
    centres = anchors()
    assert centres.shape == (896, 2)
    fine, coarse = centres[:512], centres[512:]
    assert len(np.unique(fine, axis=0)) == 256
    assert len(np.unique(coarse, axis=0)) == 64
    np.testing.assert_allclose(fine[:3], [[1 / 32, 1 / 32], [1 / 32, 1 / 32], [3 / 32, 1 / 32]])  # x runs first
    np.testing.assert_allclose(np.sort(1 - fine[:, 0]), np.sort(fine[:, 0]))  # mirror-symmetric
    np.testing.assert_allclose(coarse[-1], [15 / 16, 15 / 16])


def test_answers_are_offsets_from_the_anchors_in_input_pixels():
    raw, logits = np.zeros((896, 16)), np.full(896, -200.0)
    logits[600] = 200.0  # clipped, no overflow
    raw[600, :6] = (12.8, -6.4, 64, 32, 1.28, 2.56)
    found = decode(raw, logits)
    x, y = anchors()[600]
    np.testing.assert_allclose(found.boxes, [[x + 0.1 - 0.25, y - 0.05 - 0.125, x + 0.1 + 0.25, y - 0.05 + 0.125]])
    np.testing.assert_allclose(found.keypoints[0, 0], (x + 0.01, y + 0.02))
    np.testing.assert_allclose(found.scores, [1.0])


def test_boxes_without_inside_are_no_faces():
    logits = np.full(896, 5.0)
    assert len(decode(np.zeros((896, 16)), logits).scores) == 0
    assert len(decode(np.full((896, 16), np.nan), logits).scores) == 0


def test_overlapping_boxes_become_their_mean_weighted_by_score():
    merged = merge(candidates([(0, 0, 10, 10), (50, 50, 60, 60), (2, 0, 12, 10)], [0.6, 0.7, 0.9]))
    np.testing.assert_allclose(merged.scores, [0.9, 0.7])
    np.testing.assert_allclose(merged.boxes[0], [1.2, 0, 11.2, 10])
    np.testing.assert_allclose(merged.keypoints[0], np.tile([1.2, 0], (6, 1)))
    np.testing.assert_allclose(merged.boxes[1], [50, 50, 60, 60])


def test_merging_nothing_gives_nothing():
    merged = merge(Candidates(np.empty((0, 4)), np.empty((0, 6, 2)), np.empty(0)))
    assert merged.boxes.shape == (0, 4)
    assert merged.keypoints.shape == (0, 6, 2)


def test_overlap_is_intersection_over_union():
    box = np.array([0.0, 0, 10, 10])
    others = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [30, 30, 40, 40]])
    np.testing.assert_allclose(overlaps(box, others), [1, 1 / 3, 0, 0])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_network_answers_alike_whatever_the_number_of_threads(threads):
    square = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        expected = forward(square)
        cv2.setNumThreads(threads)
        raw, logits = forward(square)
    finally:
        cv2.setNumThreads(before)
    assert raw.shape == (896, 16)
    assert logits.shape == (896,)
    assert np.array_equal(raw, expected[0])
    assert np.array_equal(logits, expected[1])

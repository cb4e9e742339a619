from __future__ import annotations

import cv2
import numpy as np
import pytest

from fer_au.faces.templates import crop_boxes
from fer_au.landmarks import create_extractor
from fer_au.landmarks.agreement import MAX_SPREAD, extract_if_agreed, jittered_boxes

SEEING = ("dlib68", "faceapi68", "mediapipe")


def test_the_first_look_is_the_given_box():
    boxes = np.array([[10.0, 20, 110, 120], [0, 0, 50, 50]])
    looks = jittered_boxes(boxes)
    np.testing.assert_allclose(looks[0], boxes)
    assert len({look.tobytes() for look in looks}) == len(looks)


@pytest.mark.parametrize("name", SEEING)
def test_looks_agree_on_faces(name, crops):
    images, _ = crops
    extractor = create_extractor(name)
    points, _, spread = extract_if_agreed(extractor, images, crop_boxes(images))
    assert (spread < MAX_SPREAD).mean() >= 0.9
    plain, _ = extractor.extract(images)
    agreed = np.isfinite(points).all((1, 2))
    assert np.abs(points[agreed] - plain[agreed]).mean() < 3


@pytest.mark.parametrize("name", SEEING)
def test_looks_disagree_where_there_is_no_face(name):
    rng = np.random.default_rng(0)
    noise = [
        cv2.GaussianBlur(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8), (0, 0), sigma)
        for sigma in (0.5, 2, 5, 10, 25)
    ]
    images = np.stack([np.zeros((256, 256, 3), np.uint8), *noise])
    points, score, spread = extract_if_agreed(create_extractor(name), images, crop_boxes(images))
    # An extractor that sees for itself that there is no face has no points to differ.
    assert ((spread > 1.5 * MAX_SPREAD) | np.isnan(spread)).all()
    assert np.isnan(points).all()
    assert np.isnan(score).all()


def test_a_shape_that_follows_its_box_proves_nothing(crops):
    images = crops[0][:1]
    points, _, _ = extract_if_agreed(create_extractor("mean-shape"), images, crop_boxes(images))
    assert np.isnan(points).all()

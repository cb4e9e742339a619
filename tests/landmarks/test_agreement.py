from __future__ import annotations

import cv2
import numpy as np

from fer_au.faces import decode_crop
from fer_au.faces.templates import crop_boxes
from fer_au.landmarks import create_extractor
from fer_au.landmarks.agreement import MAX_SPREAD, extract_if_agreed, jittered_boxes
from fer_au.stores import Store


def test_the_first_look_is_the_given_box():
    boxes = np.array([[10.0, 20, 110, 120], [0, 0, 50, 50]])
    looks = jittered_boxes(boxes)
    np.testing.assert_allclose(looks[0], boxes)
    assert len({look.tobytes() for look in looks}) == len(looks)


def test_looks_agree_on_faces(aligned):
    faces = Store.open(aligned / "faces.h5", "faces")
    images = np.stack([decode_crop(faces, row) for row in range(len(faces))])
    extractor = create_extractor("dlib68")
    points, _, spread = extract_if_agreed(extractor, images, crop_boxes(images))
    assert (spread < MAX_SPREAD).mean() >= 0.9
    plain, _ = extractor.extract(images)
    agreed = np.isfinite(points).all((1, 2))
    assert np.abs(points[agreed] - plain[agreed]).mean() < 3


def test_looks_disagree_where_there_is_no_face():
    rng = np.random.default_rng(0)
    noise = [
        cv2.GaussianBlur(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8), (0, 0), sigma)
        for sigma in (0.5, 2, 5, 10, 25)
    ]
    images = np.stack([np.zeros((256, 256, 3), np.uint8), *noise])
    points, _, spread = extract_if_agreed(create_extractor("dlib68"), images, crop_boxes(images))
    assert (spread > 1.5 * MAX_SPREAD).all()
    assert np.isnan(points).all()


def test_a_shape_that_follows_its_box_proves_nothing(aligned):
    faces = Store.open(aligned / "faces.h5", "faces")
    images = decode_crop(faces, 0)[None]
    points, _, _ = extract_if_agreed(create_extractor("mean-shape"), images, crop_boxes(images))
    assert np.isnan(points).all()

"""What every extractor promises, third parties' included: see ``docs/extractors.md``."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from fer_au.faces.templates import crop_boxes
from fer_au.landmarks import create_extractor, list_extractors, mirror_points, normalised_error

NAMES = list_extractors()
ROWS = 4


@pytest.fixture(params=NAMES)
def extractor(request):
    return create_extractor(request.param)


@pytest.fixture
def faces(crops):
    """Crops, face boxes that differ a little, and true points."""
    images, truth = crops[0][:ROWS], crops[1][:ROWS]
    boxes = crop_boxes(images) + np.arange(ROWS)[:, None] * np.array([1.0, -1.0, 2.0, 0.0])
    return images, boxes, truth


def equal(one, other):
    return one.tobytes() == other.tobytes()


def test_points_and_scores_have_the_promised_form_and_place(extractor, faces):
    points, score = extractor.extract(*faces)
    assert points.shape == (ROWS, 68, 2)
    assert score.shape == (ROWS,)
    assert points.dtype == score.dtype == np.float32
    assert np.isfinite(points).all()
    assert normalised_error(points, faces[2]).mean() < 0.2


def test_a_copy_in_another_process_does_the_same(extractor, faces):
    copy = ForkingPickler.loads(ForkingPickler.dumps(extractor))
    assert copy.fingerprint == extractor.fingerprint
    for one, other in zip(extractor.extract(*faces), copy.extract(*faces), strict=True):
        assert equal(one, other)


def test_a_face_does_not_depend_on_its_batch(extractor, faces):
    points, score = extractor.extract(*faces)
    for row in range(ROWS):
        alone = extractor.extract(*(array[row : row + 1] for array in faces))
        assert equal(alone[0][0], points[row])
        assert equal(alone[1][0], score[row])
    turned = extractor.extract(*(array[::-1] for array in faces))
    assert equal(turned[0][::-1].copy(), points)
    assert equal(turned[1][::-1].copy(), score)


def test_inputs_are_left_as_they_are(extractor, faces):
    copies = [array.copy() for array in faces]
    for array in faces:
        array.flags.writeable = False
    points, _ = extractor.extract(*faces)
    assert all(equal(array, copy) for array, copy in zip(faces, copies, strict=True))
    assert not any(np.shares_memory(points, array) for array in faces)
    for array in faces:
        array.flags.writeable = True


def test_without_boxes_crops_are_taken_as_aligned(extractor, faces):
    images, _, truth = faces
    one = extractor.extract(images, None, truth)
    other = extractor.extract(images, crop_boxes(images), truth)
    assert equal(one[0], other[0])


@pytest.mark.parametrize("side", [0, 64])
def test_no_images_give_no_points(extractor, side):
    images = np.zeros((0, side, side, 3), np.uint8)
    points, score = extractor.extract(images, np.zeros((0, 4)), np.zeros((0, 68, 2)))
    assert points.shape == (0, 68, 2)
    assert score.shape == (0,)
    assert points.dtype == score.dtype == np.float32


def test_a_face_without_a_box_or_annotation_is_not_found(extractor, faces):
    images, boxes, truth = (array.copy() for array in faces)
    boxes[1] = np.nan
    truth[1] = np.nan
    points, score = extractor.extract(images, boxes, truth)
    whole, _ = extractor.extract(*faces)
    assert np.isnan(points[1]).all()
    assert np.isnan(score[1])
    assert equal(points[[0, 2, 3]], whole[[0, 2, 3]])


def test_the_box_says_where_the_face_is(extractor, faces):
    images, boxes, truth = faces
    padded = np.full((ROWS, 400, 420, 3), 90, np.uint8)
    padded[:, 100:356, 60:316] = images
    shift = np.array([60.0, 100.0])
    moved, _ = extractor.extract(padded, boxes + np.tile(shift, 2), truth + shift)
    plain, _ = extractor.extract(images, boxes, truth)
    assert np.abs(moved - shift - plain).mean() < 0.5


def test_mirrored_pictures_give_mirrored_points(extractor, crops):
    images, truth = crops
    width = images.shape[2]
    points, _ = extractor.extract(images, None, truth)
    mirrored, _ = extractor.extract(np.ascontiguousarray(images[:, :, ::-1]), None, mirror_points(truth, width))
    back = mirror_points(mirrored, width)
    assert normalised_error(back, points).mean() < 0.04
    # A frame that is off by half a pixel would move all points by a whole one; a network may lean a little.
    assert abs((back - points)[..., 0].mean()) < 0.9


def test_scores_are_finite_for_all_found_faces_or_for_none(extractor, faces):
    _, score = extractor.extract(*faces)
    assert np.isfinite(score).all() or np.isnan(score).all()


def test_fingerprints_are_the_same_in_another_process():
    code = (
        "from fer_au.landmarks import create_extractor, list_extractors;"
        "print(*(create_extractor(name).fingerprint for name in list_extractors()))"
    )
    here = [create_extractor(name).fingerprint for name in NAMES]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert there.stdout.split() == here
    assert len(set(here)) == len(here)
    assert all(len(text) == 64 for text in here)

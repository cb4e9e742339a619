from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from fer_au.decoding import decode_image
from fer_au.errors import ConfigError, UnknownNameError
from fer_au.faces import create_detector, dlib_hog, list_detectors
from fer_au.faces.detectors import Detection, choose_detection, vouches
from fer_au.faces.geometry import box_iou
from fer_au.stores import Store

BOX = (20.0, 30.0, 90.0, 100.0)


@pytest.fixture(scope="module")
def faces(rendered):
    """Rendered pictures with their true points."""
    store = Store.open(rendered / "annotations.h5", "annotations")
    return [
        (decode_image((rendered / "raw" / id_).read_bytes()), points)
        for id_, points in zip(store.ids, store["points"], strict=True)
    ]


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_all_promised_detectors_are_listed():
    assert {"dlib-hog", "dlib-mmod", "mediapipe-face", "whole-image", "provided", "yunet"} <= set(list_detectors())


def test_fingerprints_tell_detectors_and_options_apart():
    marks = {create_detector(name).fingerprint for name in list_detectors()}
    marks.add(create_detector("dlib-hog", exhaustive=True).fingerprint)
    assert len(marks) == len(list_detectors()) + 1


def test_unknown_names_and_options_are_one_clear_line():
    with pytest.raises(UnknownNameError, match="dlib-hog"):
        create_detector("dlib-hgo")
    with pytest.raises(ConfigError, match=r"^face detector 'dlib-hog': upsample: unknown key; known: exhaustive$"):
        create_detector("dlib-hog", upsample=2)
    with pytest.raises(ConfigError, match=r"exhaustiv: unknown key; did you mean exhaustive\?"):
        create_detector("dlib-mmod", exhaustiv=True)
    with pytest.raises(ConfigError, match="exhaustive: should be true or false, got 'yes'"):
        create_detector("dlib-hog", exhaustive="yes")
    with pytest.raises(ConfigError, match=r"^face detector 'provided': margin: unknown key; there are none$"):
        create_detector("provided", margin=2)


def test_hog_finds_rendered_faces_where_they_are(faces, hog_box_of):
    detector = create_detector("dlib-hog")
    for image, points in faces:
        found = detector.detect(image)
        assert len(found) == 1
        assert box_iou(found[0].box, hog_box_of(points)) > 0.55


def test_hog_finds_tight_small_large_and_tilted_faces(faces, hog_box_of):
    detector = create_detector("dlib-hog")
    image, points = faces[0]
    x0, y0, x1, y1 = np.round(hog_box_of(points)).astype(int).tolist()
    tight = image[max(y0, 0) : y1, max(x0, 0) : x1]
    assert detector.detect(np.ascontiguousarray(tight))
    assert detector.detect(cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA))
    assert detector.detect(cv2.resize(image, (1500, 1500)))
    turn = cv2.getRotationMatrix2D((128, 128), -35, 1.0)  # clockwise
    tilted = detector.detect(cv2.warpAffine(image, turn, (256, 256), borderMode=cv2.BORDER_REPLICATE))
    assert tilted
    assert tilted[0].roll in (0, 30)


def test_hog_finds_a_small_face_in_a_large_picture_and_its_box_is_in_source_pixels(faces, hog_box_of):
    image, points = faces[0]
    canvas = np.full((1000, 1400, 3), 128, np.uint8)
    canvas[600:856, 900:1156] = image
    found = create_detector("dlib-hog").detect(canvas)
    assert len(found) == 1
    assert box_iou(found[0].box, hog_box_of(points + np.array([900, 600]))) > 0.5


@pytest.mark.parametrize(
    ("width", "height", "side"),
    [(4000, 3000, 85), (4000, 3000, 160), (3000, 4000, 100), (1600, 1200, 85), (6000, 4000, 130), (720, 540, 55)],
)
def test_hog_finds_small_faces_in_photographs_of_any_size(faces, hog_box_of, width, height, side):
    image, points = faces[0]
    x0, _, x1, _ = hog_box_of(points).tolist()
    scale = side / (x1 - x0)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.full((height, width, 3), 128, np.uint8)
    top, left = height // 3, width // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    (found,) = create_detector("dlib-hog").detect(canvas)
    # Where the window hardly fits, the detector draws small faces a third too large.
    assert box_iou(found.box, hog_box_of(points * scale + np.array([left, top]))) > 0.4


@pytest.mark.parametrize("score", [-0.1, 0.4, None])
def test_the_full_size_is_looked_at_only_where_nothing_else_was_found(monkeypatch, score):
    """A face that other passes found, even a doubtful one, stays the answer."""
    asked = []

    def run(gray, one, scaled):
        asked.append(one.why)
        return [Detection((0, 0, 900, 900), score, one.why)] if score is not None and one.why == "coarse" else []

    monkeypatch.setattr(dlib_hog, "_run", run)
    found = create_detector("dlib-hog").detect(np.zeros((2000, 3000, 3), np.uint8))
    assert ("full" in asked) == (score is None)
    assert [one.why for one in found] == ([] if score is None else ["coarse"])


def test_exhaustive_finds_the_small_face_beside_the_large_one(faces):
    image = faces[0][0]
    canvas = np.full((620, 900, 3), 128, np.uint8)
    canvas[:600, :600] = cv2.resize(image, (600, 600))
    canvas[400:600, 650:850] = cv2.resize(faces[-1][0], (200, 200), interpolation=cv2.INTER_AREA)
    assert len(create_detector("dlib-hog").detect(canvas)) == 1
    assert len(create_detector("dlib-hog", exhaustive=True).detect(canvas)) == 2


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((200, 200, 3), np.uint8),
        noise(300, 200),
        cv2.GaussianBlur(noise(300, 300), (0, 0), 9),
        np.repeat(np.linspace(0, 255, 256).astype(np.uint8)[None, :, None], 256, 0).repeat(3, 2),
    ],
    ids=["black", "noise", "clouds", "gradient"],
)
def test_hog_finds_no_face_where_there_is_none(image):
    assert create_detector("dlib-hog").detect(image) == []


def test_whole_image_is_the_middle_square():
    (found,) = create_detector("whole-image").detect(noise(100, 200))
    x0, y0, x1, y1 = found.box
    assert (x0 + x1) / 2 == 100
    assert (y0 + y1) / 2 == 50
    assert x1 - x0 == pytest.approx(y1 - y0)
    assert math.isnan(found.score)


def test_provided_takes_the_manifest_box_and_nothing_else():
    detector = create_detector("provided")
    (found,) = detector.detect(noise(50, 50), BOX)
    assert found.box == BOX
    assert detector.detect(noise(50, 50)) == []


def test_choose_rules():
    large = Detection((0, 0, 50, 50), 0.1, "")
    central = Detection((90, 90, 110, 110), 0.2, "")
    other = Detection((150, 150, 180, 180), 3.0, "")
    found = [other, large, central]
    assert choose_detection(found, "largest", 200, 200) is large
    assert choose_detection(found, "central", 200, 200) is central
    assert choose_detection(found, "best-iou", 200, 200, (148, 150, 180, 182)) is other
    assert choose_detection(found, "best-iou", 200, 200) is other  # no box: the best score
    with pytest.raises(ValueError, match="no detections"):
        choose_detection([], "largest", 10, 10)


def test_exhaustive_is_the_same_detector_and_changes_nothing_where_there_is_no_such_choice():
    for name in ("dlib-hog", "dlib-mmod", "mediapipe-face"):
        assert create_detector(name) != create_detector(name, exhaustive=True)
        assert create_detector(name).exhaustive() == create_detector(name, exhaustive=True)
    whole = create_detector("whole-image")
    assert whole.exhaustive() is whole
    assert whole != create_detector("provided")


def test_only_the_whole_image_is_no_face_that_anyone_saw():
    assert [name for name in list_detectors() if not vouches(name)] == ["whole-image"]
    assert vouches("of-another-lab")

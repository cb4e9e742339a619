from __future__ import annotations

from multiprocessing.reduction import ForkingPickler

import cv2
import numpy as np
import pytest

from fer_au import assets as weights
from fer_au.decoding import decode_image
from fer_au.errors import MissingDependencyError
from fer_au.faces import keypoints
from fer_au.faces.alignment import Aligner
from fer_au.faces.detectors import Detection
from fer_au.faces.geometry import apply_matrix, box_iou, compose, fit_similarity, invert_matrix, map_box
from fer_au.faces.templates import HOG_BOX, five_points, get_template
from fer_au.faces.warp import warp_crop
from fer_au.ibug68 import MEAN_FACE, inter_ocular_distance
from fer_au.stores import FaceStatus, Store


@pytest.fixture(scope="module")
def faces(rendered):
    store = Store.open(rendered / "annotations.h5", "annotations")
    return [
        (decode_image((rendered / "raw" / id_).read_bytes()), points.astype(np.float64))
        for id_, points in zip(store.ids, store["points"], strict=True)
    ]


def turn(image, points, degrees):
    """The picture turned clockwise, and its points."""
    matrix = cv2.getRotationMatrix2D((127.5, 127.5), -degrees, 1.0)
    turned = cv2.warpAffine(image, matrix, (256, 256), borderMode=cv2.BORDER_REPLICATE)
    return turned, points @ matrix[:, :2].T + matrix[:, 2] + 0.5 - 0.5 * matrix[:, :2].sum(1)


@pytest.mark.parametrize("template", ["loose", "arcface"])
@pytest.mark.parametrize(("keypoints", "limit"), [("dlib68", 0.09), ("dlib5", 0.12), ("detector", 0.3)])
def test_true_points_land_on_the_template(faces, template, keypoints, limit):
    aligner = Aligner(keypoints=keypoints, template=template, size=160)
    target = get_template(template).five(160)
    for image, points in faces[::3]:
        face = aligner(image)
        assert face.status == FaceStatus.OK
        placed = apply_matrix(face.matrix, points)
        error = np.abs(five_points(placed) - target).mean() / inter_ocular_distance(placed)
        assert error < limit


@pytest.mark.parametrize("degrees", [-40, -20, 20, 40])
def test_tilted_heads_are_set_upright(faces, degrees):
    aligner = Aligner()
    image, points = faces[0]
    plain = aligner(image)
    turned, turned_points = turn(image, points, degrees)
    face = aligner(turned)
    upright, again = apply_matrix(plain.matrix, points), apply_matrix(face.matrix, turned_points)
    assert np.abs(upright - again).mean() < 0.04 * inter_ocular_distance(upright)


def test_a_large_picture_gives_the_same_crop_as_a_small_one(faces):
    aligner = Aligner()
    image, _ = faces[1]
    large = cv2.resize(image, (2048, 2048), interpolation=cv2.INTER_CUBIC)
    small_to_crop = aligner(image).matrix
    large_to_crop = compose(aligner(large).matrix, [[8, 0, 0], [0, 8, 0]])
    points = np.array([[100.0, 100], [150, 100], [125, 160]])
    difference = apply_matrix(small_to_crop, points) - apply_matrix(large_to_crop, points)
    assert np.abs(difference).max() < 3


def test_the_crop_shows_what_the_matrix_says(faces):
    image, _ = faces[2]
    face = Aligner(size=256)(image)
    back = cv2.warpAffine(
        image,
        _indices(face.matrix),
        (256, 256),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    assert np.abs(back.astype(int) - face.crop).mean() < 3


def _indices(matrix):
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5]])
    return compose(invert_matrix(shift), compose(matrix, shift))


def test_template_none_keeps_the_whole_picture_and_knows_the_face(faces):
    image, points = faces[0]
    face = Aligner(template="none", size=128)(image)
    np.testing.assert_allclose(face.matrix, [[0.5, 0, 0], [0, 0.5, 0]])
    assert face.status == FaceStatus.OK
    assert face.box[0] < points[30, 0] < face.box[2]


def test_template_none_keeps_the_data_sets_own_crop(faces):
    face = Aligner(template="none", size=100, detector="provided")(faces[0][0], (20, 30, 220, 230))
    np.testing.assert_allclose(apply_matrix(face.matrix, [[20, 30], [220, 230]]), [[0, 0], [100, 100]], atol=1e-9)


def test_without_a_face_the_whole_picture_is_taken():
    image = np.zeros((100, 200, 3), np.uint8)
    face = Aligner(size=64)(image)
    assert face.status == FaceStatus.WHOLE_IMAGE
    assert face.detector == "none"
    np.testing.assert_allclose(apply_matrix(face.matrix, [[0, 50], [200, 50]]), [[0, 32], [64, 32]], atol=1e-9)


def test_without_a_face_the_data_sets_box_is_taken():
    face = Aligner(size=64)(np.zeros((100, 200, 3), np.uint8), (10, 10, 60, 60))
    assert face.status == FaceStatus.WHOLE_IMAGE
    np.testing.assert_allclose(apply_matrix(face.matrix, [[10, 10], [60, 60]]), [[0, 0], [64, 64]], atol=1e-9)


def test_the_face_of_a_box_is_found_among_larger_ones(faces, hog_box_of):
    (image, _), (_, points) = faces[0], faces[-1]
    canvas = np.full((620, 900, 3), 128, np.uint8)
    canvas[:600, :600] = cv2.resize(image, (600, 600))
    canvas[400:600, 650:850] = cv2.resize(faces[-1][0], (200, 200), interpolation=cv2.INTER_AREA)
    small = points * 200 / 256 + (650, 400)
    hint = hog_box_of(small)
    for face in (Aligner(choose="best-iou")(canvas, hint), Aligner()(canvas, hint, shared=True)):
        assert face.status == FaceStatus.OK
        assert face.box[0] > 600
    assert Aligner()(canvas, hint).box[0] < 300  # largest, as asked
    elsewhere = Aligner(choose="best-iou")(canvas, (620, 10, 660, 50))
    assert elsewhere.status == FaceStatus.WHOLE_IMAGE


def test_context_is_the_whole_picture(faces):
    image, _ = faces[0]
    face = Aligner(context=64)(image)
    expected = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA)
    assert face.context is not None
    assert np.abs(face.context.astype(int) - expected).max() <= 2
    assert Aligner()(image).context is None


def test_an_aligner_is_picklable_and_deterministic(faces):
    aligner = Aligner()
    again = ForkingPickler.loads(ForkingPickler.dumps(aligner))
    one, two = aligner(faces[0][0]), again(faces[0][0])
    assert np.array_equal(one.crop, two.crop)
    assert np.array_equal(one.matrix, two.matrix)


@pytest.fixture
def two_people(faces, hog_box_of):
    """A large face and a small one beside it, and their boxes."""
    canvas = np.full((620, 900, 3), 128, np.uint8)
    canvas[:600, :600] = cv2.resize(faces[0][0], (600, 600))
    canvas[400:600, 650:850] = cv2.resize(faces[-1][0], (200, 200), interpolation=cv2.INTER_AREA)
    return canvas, [hog_box_of(faces[0][1] * 600 / 256), hog_box_of(faces[-1][1] * 200 / 256 + (650, 400))]


@pytest.mark.parametrize("detector", ["dlib-hog", "mediapipe-face"])
@pytest.mark.parametrize("template", ["loose", "none"])
def test_all_faces_of_a_picture_come_largest_first_each_in_its_own_crop(two_people, detector, template):
    image, boxes = two_people
    faces = Aligner(detector=detector, template=template, size=96, context=32).all(image)
    assert len(faces) == 2
    for face, box in zip(faces, boxes, strict=True):
        assert face.status == FaceStatus.OK
        assert face.detector == detector
        assert face.context is not None
        assert box_iou(face.box, box) > 0.45
        centre = apply_matrix(face.matrix, (np.array(box[:2]) + box[2:]) / 2)
        assert np.abs(centre - 48).max() < 20


@pytest.mark.parametrize("detector", ["dlib-hog", "mediapipe-face", "whole-image"])
@pytest.mark.parametrize("template", ["loose", "none"])
@pytest.mark.parametrize("side", [110, 200, 420])
def test_a_single_face_gets_the_same_crop_alone_and_among_all(faces, detector, template, side):
    picture = np.full((460, 640, 3), 128, np.uint8)
    picture[20 : 20 + side, 150 : 150 + side] = cv2.resize(faces[0][0], (side, side), interpolation=cv2.INTER_AREA)
    aligner = Aligner(detector=detector, template=template, size=96, context=32)
    one, every = aligner(picture), aligner.all(picture)
    assert one.status == FaceStatus.OK
    assert len(every) == 1
    assert every[0].box == one.box
    assert np.array_equal(every[0].matrix, one.matrix)
    assert np.array_equal(every[0].crop, one.crop)


def test_all_of_nothing_is_nothing():
    assert Aligner().all(np.zeros((100, 200, 3), np.uint8)) == []


def test_a_grey_picture_gives_the_crop_that_its_channels_give_one_by_one(faces):
    gray = cv2.cvtColor(faces[0][0], cv2.COLOR_RGB2GRAY)
    matrix = Aligner(size=100)(faces[0][0]).matrix
    crop = warp_crop(np.repeat(gray[:, :, None], 3, axis=2), matrix, 100)
    assert crop.shape == (100, 100, 3)
    assert all(np.array_equal(crop[:, :, channel], warp_crop(gray, matrix, 100)) for channel in range(3))


def test_a_pixel_of_colour_is_enough_to_keep_it():
    image = np.full((90, 90, 3), 100, np.uint8)
    image[47, 51] = (255, 0, 0)
    crop = warp_crop(image, [[1, 0, 0], [0, 1, 0]], 90)
    np.testing.assert_array_equal(crop[47, 51], (255, 0, 0))


def test_a_second_look_is_taken_only_where_the_first_moved_the_face(faces, monkeypatch):
    looks = []
    look = keypoints._look
    monkeypatch.setattr(keypoints, "_look", lambda *parts: looks.append(0) or look(*parts))
    image, points = faces[0]
    exact = fit_similarity(MEAN_FACE, points)
    roll = float(np.rad2deg(np.arctan2(exact[1, 0], exact[0, 0])))
    x0, y0, x1, y1 = map_box(exact, HOG_BOX).tolist()
    found = keypoints.find_points(image, Detection((x0, y0, x1, y1), 1.0, "", roll), "dlib68")
    assert len(looks) == 1
    wide = (x0 - 25, y0 - 25, x1 + 25, y1 + 25)
    again = keypoints.find_points(image, Detection(wide, 1.0, "", roll + 25), "dlib68")
    assert len(looks) == 3
    assert np.abs(found - again).mean() < 0.05 * inter_ocular_distance(points)


@pytest.mark.parametrize("detector", ["dlib-hog", "dlib-mmod", "mediapipe-face"])
def test_check_tells_what_is_missing_before_the_work(detector, monkeypatch):
    monkeypatch.setattr(weights, "_candidates", lambda _: iter(()))
    with pytest.raises(MissingDependencyError, match="pip install"):
        Aligner(detector=detector, keypoints="dlib68").check()
    if detector == "dlib-hog":
        Aligner(detector=detector, keypoints="detector").check()
    else:
        with pytest.raises(MissingDependencyError, match="pip install"):
            Aligner(detector=detector, keypoints="detector").check()
    Aligner(detector="provided", keypoints="detector").check()

"""Detector ``yunet``: what its network says, where its five points lie, and pictures that are odd."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_au import assets
from fer_au.assets import YUNET, find_weights
from fer_au.config.data import AlignConfig
from fer_au.decoding import decode_image
from fer_au.errors import ConfigError, MissingDependencyError
from fer_au.faces import Aligner, create_detector
from fer_au.faces.geometry import apply_matrix, box_iou, fit_similarity, invert_matrix
from fer_au.faces.operation import AlignOperation
from fer_au.faces.templates import five_points
from fer_au.faces.warp import warp_crop
from fer_au.faces.yunet_net import decode, look
from fer_au.ibug68 import MEAN_FACE
from fer_au.stores import Store


@pytest.fixture(scope="module")
def faces(rendered):
    """Rendered pictures with their true points."""
    store = Store.open(rendered / "annotations.h5", "annotations")
    return [
        (decode_image((rendered / "raw" / id_).read_bytes()), points.astype(np.float64))
        for id_, points in zip(store.ids, store["points"], strict=True)
    ]


def moved(face, scale, degrees, shift, size=256):
    """A picture of the face scaled, turned and shifted, and its points."""
    image, points = face
    turn = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.column_stack([linear, size / 2 + np.array(shift) - linear @ points.mean(0)])
    return warp_crop(image, matrix, size), apply_matrix(matrix, points)


def test_a_cell_answers_in_strides_from_its_corner():
    face, good = np.zeros((6, 1)), np.ones((6, 1))
    face[5], boxes, keypoints = 0.81, np.zeros((6, 4)), np.tile(np.arange(10.0), (6, 1))
    boxes[5] = (0.5, 0.25, np.log(2), np.log(4))
    found = decode([face, good, boxes, keypoints], 8, 3, 0.6)  # cell 5 of rows of 3: x 2, y 1
    np.testing.assert_allclose(found.scores, [0.9])
    np.testing.assert_allclose(found.boxes, [[20 - 8, 10 - 16, 20 + 8, 10 + 16]])
    np.testing.assert_allclose(found.keypoints[0, 1], [(2 + 2) * 8, (3 + 1) * 8])
    assert not len(decode([face, good, boxes, keypoints], 8, 3, 0.95).scores)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_answers_without_measure_are_no_faces(bad):
    boxes = np.zeros((1, 4))
    boxes[0, 2] = bad
    assert not len(decode([np.ones((1, 1)), np.ones((1, 1)), boxes, np.zeros((1, 10))], 8, 1, 0.5).scores)


def test_the_five_points_are_those_of_the_templates(faces):
    rng = np.random.default_rng(0)
    detector, gaps = create_detector("yunet"), []
    for face in faces * 3:
        image, points = moved(face, rng.uniform(0.7, 1.3), rng.uniform(-15, 15), rng.uniform(-20, 20, 2))
        found = max(detector.detect(image), key=lambda one: one.score)
        upright = invert_matrix(fit_similarity(MEAN_FACE, points))  # in inter-ocular distances
        gaps.append(apply_matrix(upright, found.five) - apply_matrix(upright, five_points(points)))
        assert abs(found.roll - np.rad2deg(np.arctan2(-upright[1, 0], upright[0, 0]))) < 10
    assert np.abs(np.mean(gaps, axis=0)).max() < 0.045  # without MEAN_PLACES, the mouth's corners lie 0.07 too high
    assert np.hypot(*np.transpose(gaps)).mean() < 0.1


def test_alignment_by_the_detector_loads_no_predictor(faces, monkeypatch):
    operation = AlignOperation.of(AlignConfig(detector="yunet", keypoints="detector"))
    assert not operation.needs_predictor
    monkeypatch.setattr("fer_au.faces.keypoints.find_points", lambda *_: pytest.fail("a predictor was asked"))
    image, points = faces[0]
    aligned = operation.aligner(image)
    truth = fit_similarity(five_points(points), operation.aligner.target.five(256))
    gap = apply_matrix(aligned.matrix, points) - apply_matrix(truth, points)
    assert aligned.detector == "yunet"
    assert np.hypot(*gap.T).mean() < 0.12 * 102  # of the inter-ocular distance in the crop


@pytest.mark.parametrize(
    ("side", "width", "height"),
    [(20, 64, 64), (20, 24, 24), (20, 400, 300), (20, 2000, 1500), (300, 1600, 400), (2000, 2400, 2200)],
)
def test_faces_of_20_to_2000_pixels_are_found(faces, hog_box_of, side, width, height):
    image, points = faces[0]
    x0, y0, x1, _ = hog_box_of(points)
    scale = side / (x1 - x0)
    corner = np.array([width - side, height - side]) * (0.5, 0.6)
    matrix = np.array([[scale, 0, corner[0] - scale * x0], [0, scale, corner[1] - scale * y0]])
    crop = warp_crop(image, matrix, max(width, height))[:height, :width]
    found = create_detector("yunet").detect(np.ascontiguousarray(crop))
    assert max(box_iou(one.box, hog_box_of(apply_matrix(matrix, points))) for one in found) > 0.4


def test_fifty_faces_are_found_exhaustively_and_once_each(faces):
    small = [cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA) for image, _ in faces[:10]]
    picture = np.concatenate([np.concatenate(small, axis=1)] * 5)
    found = create_detector("yunet", exhaustive=True).detect(picture)
    cells = {(int(x0 + x1) // 256, int(y0 + y1) // 256) for x0, y0, x1, y1 in (one.box for one in found)}
    assert len(cells) == 50
    assert len(found) <= 52  # seams between portraits may look like a face


def test_a_face_cut_by_the_border_is_found_and_a_flat_oval_is_none(faces, hog_box_of):
    image, points = faces[0]
    x0, y0, x1, y1 = hog_box_of(points).round().astype(int)
    cut = np.ascontiguousarray(image[max(y0, 0) : y1 - (y1 - y0) // 8, max(x0, 0) : x1])
    assert len(create_detector("yunet").detect(cut)) == 1
    oval = np.full((200, 200, 3), 90, np.uint8)
    cv2.ellipse(oval, (100, 100), (60, 80), 0, 0, 360, (210, 180, 160), -1)
    assert create_detector("yunet").detect(oval) == []


def test_a_painted_face_counts_as_a_face_with_a_sound_box():
    paper = np.full((240, 240, 3), 240, np.uint8)
    cv2.circle(paper, (120, 120), 90, (250, 210, 90), -1)
    for x in (90, 150):
        cv2.circle(paper, (x, 100), 10, (0, 0, 0), -1)
    cv2.ellipse(paper, (120, 140), (45, 30), 0, 0, 180, (0, 0, 0), 5)
    for one in create_detector("yunet", min_score=0.2).detect(paper):
        assert box_iou(one.box, (30, 30, 210, 210)) > 0.3


def variants(image, folder: Path):
    """Files that show the same picture in other modes; and the upright picture that each of them stands for."""
    picture = Image.fromarray(image)
    grey = picture.convert("L")
    deep = np.asarray(grey, np.uint16) * 257
    turned = Image.Exif()
    turned[0x0112] = 6
    picture.save(folder / "plain.png")
    grey.save(folder / "grey.png")
    picture.convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "palette.png")
    cv2.imwrite(str(folder / "deep.png"), deep)
    picture.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg", quality=95, exif=turned)
    return sorted(folder.iterdir())


def test_a_picture_shows_the_same_face_in_every_mode(faces, tmp_path):
    boxes = [Aligner("yunet", "detector")(path).box for path in variants(faces[0][0], tmp_path)]
    assert len(boxes) == 5
    assert min(box_iou(boxes[0], box) for box in boxes) > 0.8


def test_fifty_megapixels_without_a_face_are_searched_in_bounded_tiles(monkeypatch):
    sides = []

    def counted(tile, min_score):
        sides.append(tile.shape[:2])
        return look(np.zeros((32, 32, 3), np.uint8), min_score)

    monkeypatch.setattr("fer_au.faces.yunet.look", counted)
    assert create_detector("yunet").detect(np.zeros((7000, 7142, 3), np.uint8)) == []
    assert max(max(side) for side in sides) == 1024
    assert all(side % 32 == 0 for pair in sides for side in pair)


@pytest.mark.parametrize(
    ("option", "value", "fewer"), [("min_score", 0.99, True), ("top_k", 1, False), ("overlap", 0.9, False)]
)
def test_every_option_changes_what_is_found(faces, option, value, fewer):
    plain, other = create_detector("yunet"), create_detector("yunet", **{option: value})
    assert plain.fingerprint != other.fingerprint
    found, others = ([one.detect(image) for image, _ in faces[:4]] for one in (plain, other))
    assert found != others
    if fewer:
        assert sum(map(len, others)) < sum(map(len, found))


@pytest.mark.parametrize("option", [{"min_score": 0}, {"min_score": 1.5}, {"overlap": 1}, {"top_k": 0}])
def test_an_option_out_of_bounds_is_one_line(option):
    with pytest.raises(ConfigError, match=rf"^face detector 'yunet': {next(iter(option))}: [^\n]*$"):
        create_detector("yunet", **option)


@pytest.mark.parametrize("fault", ["cut", "altered"])
def test_a_damaged_model_file_is_one_line(fault, tmp_path, monkeypatch):
    data = bytearray(find_weights(YUNET).read_bytes())
    data = data[:-1000] if fault == "cut" else data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]
    (tmp_path / YUNET.file_name).write_bytes(data)
    monkeypatch.setattr(assets, "_candidates", lambda _: iter([tmp_path / YUNET.file_name]))
    with pytest.raises(MissingDependencyError, match=r"^face_detection_yunet[^\n]* has another sha256[^\n]*$"):
        create_detector("yunet").check()
    monkeypatch.setenv(assets.ENVIRONMENT, str(tmp_path))
    with pytest.raises(ConfigError, match=r"is not the expected file"):
        create_detector("yunet").check()


def answer(image):
    return repr(create_detector("yunet").detect(image))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_another_process_finds_the_same_and_says_nothing(method, faces, capfd):
    image = faces[1][0]
    here = answer(image)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert pool.submit(answer, image).result() == here
    assert capfd.readouterr().err == ""


def test_what_looks_like_a_small_face_must_be_seen_again(faces, hog_box_of, monkeypatch):
    rng = np.random.default_rng(9)
    rough = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (1600, 1200), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.normal(0, 25, (150, 200)).astype(np.float32), (1600, 1200))
    busy = np.clip(rough.astype(np.float32) + fine[..., None], 0, 255).astype(np.uint8)
    assert create_detector("yunet").detect(busy) == []
    image, points = faces[0]
    small = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)
    crowded = busy.copy()
    crowded[700:732, 900:932] = small
    (found,) = create_detector("yunet").detect(crowded)
    assert box_iou(found.box, hog_box_of(points / 8 + (900, 700))) > 0.4
    monkeypatch.setattr("fer_au.faces.yunet._confirmed", lambda canvas, seen, score: seen)
    assert create_detector("yunet").detect(busy)

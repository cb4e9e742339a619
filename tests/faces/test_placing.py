"""Pictures without a found face are cut where the set's found faces usually lie."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from fer_au.config.data import AlignConfig
from fer_au.datasets.manifest import read_manifest, write_manifest
from fer_au.faces import Aligner, align_dataset, decode_crop
from fer_au.faces.geometry import apply_matrix
from fer_au.faces.operation import AlignOperation
from fer_au.faces.placing import LEAST_FACES, Place, usual_place
from fer_au.landmarks.stage import crop_face_boxes, vouched_rows
from fer_au.predictor import _recorded_aligner
from fer_au.stores import FaceStatus, Store

CONFIG = AlignConfig(detector="yunet", keypoints="detector", size=64)
LOST = 3


@pytest.fixture
def grown(dataset, monkeypatch):
    """The rendered set, its first pictures without a face, and enough rows for a median: pictures stand twice."""
    monkeypatch.setattr(AlignOperation, "shard_rows", 5)
    (dataset / "annotations.h5").unlink(missing_ok=True)
    rows = read_manifest(dataset / "manifest.csv")
    for number, row in enumerate(rows[:LOST]):
        file = dataset / "raw" / row.path
        picture = np.random.default_rng(number).integers(0, 80, (200, 300, 3), dtype=np.uint8)
        assert cv2.imwrite(str(file), picture)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        rows[number] = replace(row, sha256=digest, width=300, height=200)
    again = [replace(row, id=f"{row.id}#1") for row in rows[LOST:]]
    write_manifest(dataset / "manifest.csv", sorted([*rows, *again], key=lambda row: row.id))
    return SimpleNamespace(folder=dataset, raw=dataset / "raw")


def align(grown, config=CONFIG):
    align_dataset(config, grown.folder, grown.raw)
    return Store.open(grown.folder / "faces.h5", "faces")


def test_lost_faces_have_the_scale_and_place_of_the_others(grown, capfd):
    store = align(grown)
    status = store["status"]
    assert (status == FaceStatus.PLACED).sum() == LOST
    assert (status == FaceStatus.OK).sum() == len(status) - LOST >= LEAST_FACES
    assert f"{LOST} not found and cut where the others lie" in capfd.readouterr().err
    found, placed = store["matrix"][status == FaceStatus.OK], store["matrix"][status == FaceStatus.PLACED]
    scale = np.median(np.hypot(found[:, 0, 0], found[:, 1, 0])) * 256 / np.sqrt(300 * 200)
    np.testing.assert_allclose(placed[:, 0, 0], scale, rtol=0.01)
    np.testing.assert_array_equal(placed[:, 0, 1], 0)
    place = Place.parse(str(store.attributes["place"]))
    np.testing.assert_allclose(apply_matrix(placed[0], (place.x * 300, place.y * 200)), (32, 32), atol=1e-6)
    rows = np.flatnonzero(status == FaceStatus.PLACED).tolist()
    assert set(store["why"][rows].tolist()) == {b"usual place"}
    assert set(store["detector"][rows].tolist()) == {b"none"}
    assert not vouched_rows(store, 0, len(status))[rows].any()
    boxes = crop_face_boxes(store, 0, len(status))
    np.testing.assert_allclose(boxes[rows], np.tile(boxes[status == FaceStatus.OK][0], (LOST, 1)), atol=0.01)
    assert decode_crop(store, rows[0]).shape == (64, 64, 3)


def test_bytes_are_equal_with_two_workers_resumed_and_in_an_empty_cache(grown, tmp_path, monkeypatch):
    align(grown)
    first = (grown.folder / "faces.h5").read_bytes()
    align(grown)
    assert (grown.folder / "faces.h5").read_bytes() == first
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "another"))
    monkeypatch.setenv("FER_AU_WORKERS", "2")
    monkeypatch.setattr("fer_au.faces.stage.usual_place", stopped)
    with pytest.raises(KeyboardInterrupt):  # the found faces are kept
        align(grown)
    monkeypatch.setattr("fer_au.faces.stage.usual_place", usual_place)
    align(grown)
    assert (grown.folder / "faces.h5").read_bytes() == first


def stopped(*_):
    raise KeyboardInterrupt


def test_another_size_of_the_set_moves_only_the_lost_rows(grown, monkeypatch):
    align(grown)
    monkeypatch.setattr("fer_au.faces.stage.usual_place", lambda *_: Place(0.5, 0.5, 2.0))
    calls = []
    compute = AlignOperation.__call__
    monkeypatch.setattr(AlignOperation, "__call__", lambda self, tasks: calls.extend(tasks) or compute(self, tasks))
    store = align(grown)
    assert len(calls) == LOST
    assert {task.place for task in calls} == {Place(0.5, 0.5, 2.0)}
    assert store.attributes["place"] == "0.5 0.5 2.0"


@pytest.mark.parametrize("change", [{"template": "none"}, {"on_missing": "reject"}, {"few": True}])
def test_without_a_usual_place_nothing_is_moved(grown, change, monkeypatch):
    if change == {"few": True}:
        monkeypatch.setattr("fer_au.faces.placing.LEAST_FACES", 1000)
        change = {}
    written = {name: value for name, value in CONFIG if name in CONFIG.model_fields_set} | change
    if "template" in change:
        written.pop("keypoints")
    store = align(grown, AlignConfig(**written, max_reject_fraction=0.5))
    expected = FaceStatus.REJECTED if "on_missing" in change else FaceStatus.WHOLE_IMAGE
    assert (store["status"] == expected).sum() == LOST
    assert "place" not in store.attributes


def test_a_place_is_relative_to_the_data_sets_box_where_there_is_one():
    place = Place(0.5, 0.4, 1.5)
    aligner = Aligner("dlib-hog", "detector", size=50)
    image = np.zeros((400, 400, 3), np.uint8)
    face = aligner.placed(image, place, (100.0, 200.0, 200.0, 300.0))
    assert face.status == FaceStatus.PLACED
    np.testing.assert_allclose(apply_matrix(face.matrix, (150, 240)), (25, 25))
    np.testing.assert_allclose(face.matrix[0, 0], 50 / 150)


def test_the_median_ignores_odd_faces_and_needs_enough_of_them():
    matrices = np.tile(Place(0.5, 0.4, 1.2).matrix((0, 0, 80, 60), 64), (LEAST_FACES, 1, 1))
    frames = np.tile([0.0, 0, 80, 60], (LEAST_FACES, 1))
    matrices[:3] = Place(0.1, 0.9, 0.1).matrix((0, 0, 80, 60), 64)
    assert usual_place(matrices, frames, 64) == Place(0.5, 0.4, 1.2)
    assert usual_place(matrices[1:], frames[1:], 64) is None


def test_a_model_cuts_a_lost_face_as_its_training_did():
    options = {"detector": "yunet dlib-hog", "keypoints": "detector", "template": "loose", "choose": "largest"}
    aligner = _recorded_aligner({**options, "image_size": 64, "place": "0.5 0.4 1.25"}, with_context=False)
    assert aligner is not None
    assert aligner.detectors == ("yunet", "dlib-hog")
    face = aligner(np.zeros((100, 100, 3), np.uint8))
    assert face.status == FaceStatus.PLACED
    np.testing.assert_allclose(face.matrix, Place(0.5, 0.4, 1.25).matrix((0, 0, 100, 100), 64))

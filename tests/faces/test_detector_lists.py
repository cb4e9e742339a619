"""A list of detectors: tried in order, each row names the one that found it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fer_au.config.data import AlignConfig
from fer_au.config.reading import examine
from fer_au.decoding import decode_image
from fer_au.errors import ArgumentError, ConfigError, UnknownNameError
from fer_au.faces import Aligner, align_dataset, create_detector
from fer_au.faces.operation import AlignOperation
from fer_au.stores import FaceStatus, Store


def key(*names: str) -> str:
    return AlignOperation.of(AlignConfig(detector=names if len(names) > 1 else names[0])).fingerprint


def test_each_row_names_the_detector_that_found_it(dataset):
    pictures = sorted((dataset / "raw").rglob("*.jpg"))
    image = cv2.imread(str(pictures[0]))
    boxed = Aligner(("provided", "yunet"), "detector", size=64)
    rgb = np.ascontiguousarray(image[:, :, ::-1])
    assert boxed(rgb, (60.0, 60.0, 200.0, 200.0)).detector == "provided"
    assert boxed(rgb).detector == "yunet"
    assert [face.detector for face in boxed.all(rgb)] == ["yunet"]
    assert boxed(np.zeros((64, 64, 3), np.uint8)).detector == "none"
    config = AlignConfig(detector=("provided", "yunet"), keypoints="detector", size=64)
    align_dataset(config, dataset, dataset / "raw")
    store = Store.open(dataset / "faces.h5", "faces")
    assert store.attributes["detector"] == "provided yunet"
    assert set(store["detector"].tolist()) == {b"yunet"}
    assert (store["status"] == FaceStatus.OK).all()


def test_the_next_detector_looks_where_the_first_found_another_face(rendered):
    image = decode_image(sorted((rendered / "raw").rglob("*.jpg"))[0].read_bytes())
    wide = np.concatenate([image, np.full_like(image, 120)], axis=1)
    corner = (420.0, 150.0, 500.0, 230.0)
    both = Aligner(("yunet", "whole-image"), "detector", size=64, choose="best-iou")
    assert both(wide, corner).detector == "whole-image"  # the face that yunet sees is not the one in the box


def test_order_and_members_of_a_list_decide_the_key_and_a_list_of_one_is_the_name():
    assert key("yunet", "dlib-hog") != key("dlib-hog", "yunet") != key("dlib-hog")
    assert AlignOperation.of(AlignConfig(detector=("yunet",))).fingerprint == key("yunet")
    assert set(AlignOperation.of(AlignConfig(detector=("yunet", "dlib-hog"))).modules) == {
        "fer_au.faces.operation",
        "fer_au.faces.yunet",
        "fer_au.faces.dlib_hog",
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "align.detector: at least one detector is needed, got []"),
        (["yunet", "yunet"], "align.detector: detector 'yunet' stands there twice, got ['yunet', 'yunet']"),
        (["yunet", 3], "align.detector.1: should be a text, got 3; put it in quotes"),
        ({"yunet": 1}, "align.detector: should be a text or a list, got {'yunet': 1}"),
    ],
)
def test_a_wrong_list_is_one_line(value, message):
    _, faults = examine(AlignConfig, {"detector": value}, "align")
    assert [str(fault) for fault in faults] == [message]


def test_a_wrong_name_in_a_list_names_near_ones():
    with pytest.raises(UnknownNameError, match=r"unknown face detector 'yunett'; did you mean yunet\?"):
        AlignOperation.of(AlignConfig(detector=("dlib-hog", "yunett")))
    with pytest.raises(ArgumentError, match="'yunet' stands there twice"):
        Aligner(["yunet", "yunet"])  # type: ignore[arg-type]


def test_a_detector_that_never_looks_is_refused():
    _, faults = examine(AlignConfig, {"detector": ["whole-image", "dlib-hog"]}, "align")
    (fault,) = map(str, faults)
    assert fault.startswith("align.detector: detector 'whole-image' misses no face, so that 'dlib-hog' behind it never")
    with pytest.raises(ConfigError, match=r"align\.on_missing: has no effect"):
        AlignOperation.of(AlignConfig(detector=("dlib-hog", "whole-image"), on_missing="reject"))


def test_a_missing_part_of_any_detector_is_found_before_the_work(monkeypatch):
    monkeypatch.setattr("fer_au.faces.finder.find_weights", lambda weights: pytest.fail(weights.file_name))
    with pytest.raises(pytest.fail.Exception, match="yunet"):
        Aligner(("dlib-hog", "yunet"), "detector").check()
    assert create_detector("yunet").weights

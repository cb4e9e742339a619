"""Recommended settings of ``align``, on rendered faces with more and with less around them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from fer_au.cli import app
from fer_au.config.data import AlignConfig
from fer_au.config.dataset_settings import ALIGN
from fer_au.data_check.gather import check_folder, recognise
from fer_au.data_check.page import write_page
from fer_au.faces.alignment import Aligner
from fer_au.faces.frame_survey import FrameSurvey, survey_frames
from fer_au.faces.operation import AlignOperation
from fer_au.yaml_files import dump_inline, parse_yaml


@pytest.fixture(scope="module")
def pictures(rendered: Path) -> list[Path]:
    return sorted((rendered / "raw").rglob("*.jpg"))[:5]


def changed(pictures: list[Path], folder: Path, change: object) -> list[Path]:
    paths = []
    for number, path in enumerate(pictures):
        paths.append(folder / f"{number}.png")
        cv2.imwrite(str(paths[-1]), change(cv2.imread(str(path))))  # type: ignore[operator]
    return paths


def wide(image: np.ndarray) -> np.ndarray:
    return cv2.copyMakeBorder(image, *(60,) * 4, cv2.BORDER_REFLECT)


def cut(image: np.ndarray) -> np.ndarray:
    return image[40:-15, 40:-40]


def small(image: np.ndarray) -> np.ndarray:
    return cv2.resize(cut(image), (64, 64), interpolation=cv2.INTER_AREA)


def test_the_template_follows_the_room_around_the_faces(pictures: list[Path], tmp_path: Path) -> None:
    roomy = survey_frames(changed(pictures, tmp_path, wide))
    assert roomy.found[roomy.detector] == 5
    assert roomy.outside["loose"] < 0.1
    assert roomy.settings()["template"] == "loose"
    tight = survey_frames(changed(pictures, tmp_path, cut))
    assert tight.outside["loose"] > 0.1
    assert tight.outside["tight"] < 1e-6
    assert tight.settings()["template"] == "tight"
    assert tight.face > roomy.face


def test_the_size_follows_the_pixels(pictures: list[Path], tmp_path: Path) -> None:
    assert survey_frames(changed(pictures, tmp_path, small)).settings()["size"] == 64
    assert survey_frames(changed(pictures, tmp_path, wide)).settings()["size"] > 128  # type: ignore[operator]


def test_where_no_face_is_found_pictures_are_kept(tmp_path: Path) -> None:
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), np.full((80, 100), 40 * number, np.uint8))
    survey = survey_frames(paths)
    assert survey.settings() == {"detector": "whole-image", "template": "none", "size": 112}


def test_what_is_recommended_is_taken(pictures: list[Path]) -> None:
    """The same pictures give the same settings, which ``align`` takes as ``params.yaml`` holds them."""
    settings = survey_frames(pictures).settings()
    assert settings == survey_frames(pictures).settings()
    assert settings == parse_yaml(dump_inline(settings), "settings")
    AlignOperation.of(AlignConfig.model_validate(settings))


def test_pictures_that_were_aligned_before_are_kept(rendered: Path, tmp_path: Path) -> None:
    raw = sorted((rendered / "raw").rglob("*.jpg"))[:12]
    aligner = Aligner(detector="mediapipe-face", keypoints="dlib68", template="loose", size=96)
    shots = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in raw]
    # As a camera finds them: each face tilted, nearer or farther, and not in the middle.
    turns = [cv2.getRotationMatrix2D((128, 128), 12 - 24 * (number % 2), 0.8 + 0.02 * number) for number in range(12)]
    shots = [
        cv2.warpAffine(shot, turn, shot.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        for shot, turn in zip(shots, turns, strict=True)
    ]
    found = {}
    for name, images in (("shots", shots), ("crops", [aligner(shot).crop for shot in shots])):
        paths = [tmp_path / f"{name}-{number}.png" for number in range(len(images))]
        for path, image in zip(paths, images, strict=True):
            cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        found[name] = survey_frames(paths)
    assert found["crops"].aligned
    assert found["crops"].settings()["template"] == "none"
    assert found["crops"].settings()["size"] == 96
    AlignOperation.of(AlignConfig.model_validate(found["crops"].settings()))
    assert not found["shots"].aligned
    assert found["shots"].tilt > 3 * found["crops"].tilt


def test_equal_detectors_are_settled_by_their_order() -> None:
    from fer_au.faces.frame_survey import _best

    assert _best({"dlib-hog": 199, "yunet": 200}, 200) == "dlib-hog"
    assert _best({"dlib-hog": 190, "yunet": 200}, 200) == "yunet"
    assert _best({}, 3) == "whole-image"


def test_few_found_faces_are_no_ground_for_a_frame() -> None:
    counts = (10, np.full(10, 48.0), {"dlib-hog": 4}, (), "dlib-hog", "dlib68")
    survey = FrameSurvey(*counts, 0.2, 5.0, 0.8, {"loose": 0.3}, {"none": 48.0})  # type: ignore[arg-type]
    assert survey.settings() == {"detector": "whole-image", "template": "none", "size": 48}


def test_the_command_measures_a_few_pictures_unasked(pictures: list[Path], tmp_path: Path) -> None:
    for label in ("happy", "sad"):
        (tmp_path / label).mkdir()
        for number, path in enumerate(pictures):
            image = cv2.imread(str(path))
            cv2.imwrite(str(tmp_path / label / f"{number}.png"), image if label == "sad" else image[:, ::-1])
    command = ["check-data", "folder", str(tmp_path), "--json"]
    frames = {}
    for option in ((), ("--frame",), ("--no-frame",)):
        said = CliRunner().invoke(app, [*command, *option])
        assert said.exit_code == 0, said.output
        frames[option] = json.loads(said.stdout)["frame"]
    assert frames[()] == frames["--frame",]  # a few pictures are all looked at
    assert frames[()]["pictures"] == 10
    assert set(frames[()]["align"]) >= {"detector", "template", "size"}
    assert frames["--no-frame",] is None


def test_the_entry_of_a_set_has_the_frame_that_fits(rendered: Path) -> None:
    fits = recognise(rendered / "raw", {})
    assert fits[0].adapter == "demo"
    check = check_folder(rendered / "raw", fits, framing="quick", keep=lambda rejects: "table")
    assert check.frame is not None
    assert check.entry["align"] == check.frame.align
    built, faults = ALIGN.examine({"datasets": {"x": check.entry}}, "x")
    assert (faults, built is None) == ([], False)
    assert "faces found in" in write_page(check, 80)

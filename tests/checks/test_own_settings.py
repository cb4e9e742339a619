"""Settings that a data set has of its own are checked as those of the sections are, under their own keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.checks.conftest import Check, write_pictures
from tests.checks.test_allowed import lock

OWN, LOOKS = "datasets.mine.align", "datasets.mine.landmarks"
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown key": ({OWN: {"detectr": "whole-image"}}, [f"{OWN}.detectr: unknown key; did you mean detector?"]),
    "key at the wrong place": (
        {"datasets.mine.detector": "whole-image"},
        ["datasets.mine.detector: unknown key; did you mean align.detector?"],
    ),
    "value": ({OWN: {"size": 8}}, [f"{OWN}.size: should be greater than or equal to 32, got 8"]),
    "no mapping": ({OWN: "loose"}, [f"{OWN}: should be a mapping of keys to values, got 'loose'"]),
    "detector": (
        {OWN: {"detector": "dlib-hogg"}},
        [f"{OWN}.detector: unknown face detector 'dlib-hogg'; did you mean dlib-hog or dlib-mmod?"],
    ),
    "extractor": (
        {LOOKS: {"extractor": "dlib86"}},
        [f"{LOOKS}.extractor: unknown landmark extractor 'dlib86'; did you mean dlib68?"],
    ),
    "extractor without its column": (
        {LOOKS: {"extractor": "provided"}},
        [f"{LOOKS}.extractor: 'provided' needs points, and data set 'mine' has none; take dlib68 or mediapipe"],
    ),
    "idle key": (
        {OWN: {"choose": "central"}},
        [f"{OWN}.choose: has no effect: detector 'whole-image' gives one box, and no other to choose; delete it"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_names_the_data_sets_key(case: str, check: Check) -> None:
    changes, lines = WRONG[case]
    assert check(changes) == lines


def test_settings_of_its_own_are_no_mistake(check: Check) -> None:
    assert check({OWN: {"detector": "dlib-hog", "choose": "central", "size": 96}}) == []
    assert check({"align.keypoints": "dlib5", OWN: {"template": "none"}, "datasets.other": other()}) == []


def other() -> dict[str, Any]:
    return {"adapter": "folder", "root": "others", "test_fraction": 0.2}


@pytest.fixture(autouse=True)
def others(project: Path) -> None:
    """A second data set."""
    for label in ("happy", "sad"):
        write_pictures(project / "others" / label)


def test_a_column_that_one_set_lacks_can_be_done_without_there(check: Check) -> None:
    changes = {"datasets.other": other(), "landmarks.extractor": "provided"}
    assert check({**changes, "datasets.other.landmarks": {"extractor": "mean-shape"}}) == [
        "landmarks.extractor: 'provided' needs points, and data set 'mine' has none; take dlib68 or mediapipe, alone "
        "for it under datasets.mine.landmarks"
    ]


def test_whole_pictures_are_asked_of_the_experiments_own_set(check: Check) -> None:
    """Head ``multiscale`` needs them; another set's are no help."""
    changes = {"experiments.au.model.head": "multiscale", "datasets.other": other()}
    (line,) = check({**changes, "datasets.other.align": {"context": 64}})
    assert "looks at the whole picture, too; set align.context" in line
    assert check({**changes, OWN: {"context": 64}}) == []


def test_weights_that_a_finished_stage_needs_no_longer(
    check: Check, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_au.assets._packaged", lambda _: ())
    monkeypatch.setattr("fer_au.assets._SYSTEM_FOLDERS", ())
    changes = {LOOKS: {"extractor": "dlib68"}}
    (line,) = check(changes)
    assert line.startswith(f"{LOOKS}: shape_predictor_68_face_landmarks.dat")
    lock(project, "landmarks@mine", **{"settings.landmarks.mine": {"extractor": "dlib68"}})
    assert check(changes) == []


def test_other_crops_than_those_of_the_training_are_told(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    crossed = {"datasets.other": other(), "cross": {"there": {"experiment": "au", "dataset": "other"}}}
    assert check(crossed) == []
    assert "cross.there" not in capsys.readouterr().err
    assert check({**crossed, "datasets.other.align": {"template": "arcface"}}) == []
    assert (
        "cross.there.dataset: its crops have align.template 'arcface', those that 'au' was trained on 'loose'"
        in capsys.readouterr().err
    )

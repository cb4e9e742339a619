"""Settings of single data sets: keys of an entry lie over the sections, and every consumer reads the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_au.config.data import AlignConfig
from fer_au.config.dataset_settings import ALIGN, LANDMARKS, OVERRIDABLE, STAGES, stage_settings, stamped_settings
from fer_au.errors import ConfigError
from fer_au.faces.settings import ALIGN_SETTINGS

PARAMS: dict[str, Any] = {
    "datasets": {
        "wild": {"adapter": "folder", "root": "wild"},
        "tight": {
            "adapter": "folder",
            "root": "tight",
            "seed": 3,
            "align": {"template": "none", "detector": "whole-image", "size": 64},
            "landmarks": {"extractor": "mean-shape"},
        },
    },
    "align": {"keypoints": "dlib5", "size": 128, "choose": "central", "on_missing": "reject"},
    "landmarks": {"extractor": "mediapipe", "max_reject_fraction": 0.3},
}


def write(folder: Path, changes: dict[str, Any]) -> Path:
    params = yaml.safe_load(yaml.safe_dump(PARAMS))
    for key, value in changes.items():
        *parents, last = key.split(".")
        place = params
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    return path


def test_own_keys_lie_over_the_section(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    assert ALIGN_SETTINGS.load("wild", path) == AlignConfig(**PARAMS["align"])
    assert ALIGN_SETTINGS.load("tight", path) == AlignConfig(template="none", detector="whole-image", size=64)
    assert LANDMARKS.load("tight", path).model_dump() == {"extractor": "mean-shape", "max_reject_fraction": 0.3}
    assert LANDMARKS.load("wild", path).extractor == "mediapipe"


def test_what_an_entry_switches_off_of_a_section_is_left_out() -> None:
    assert "keypoints" not in ALIGN.merge(PARAMS, "tight")
    assert ALIGN_SETTINGS.merge(PARAMS, "tight") == PARAMS["datasets"]["tight"]["align"]
    assert ALIGN_SETTINGS.merge(PARAMS, "wild") == PARAMS["align"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"datasets.tight.align.detectr": "dlib-hog"},
         "datasets.tight.align.detectr: unknown key; did you mean detector?"),
        ({"datasets.tight.align.size": 8},
         "datasets.tight.align.size: should be greater than or equal to 32, got 8"),
        ({"datasets.tight.align.keypoints": "dlib68"},
         "datasets.tight.align.keypoints: has no effect: template none fits no points; delete it"),
        ({"datasets.tight.align.choose": "largest"},
         "datasets.tight.align.choose: has no effect: detector 'whole-image' gives one box, and no other to choose; "
         "delete it"),
        ({"datasets.tight.align.on_missing": "reject"},
         "datasets.tight.align.on_missing: has no effect: detector 'whole-image' misses no face; delete it"),
        ({"align.sise": 3}, "align.sise: unknown key; did you mean size?"),
        ({"align.template": "none", "datasets.tight.align.template": "none"},
         "align.keypoints: has no effect: template none fits no points; delete it"),
    ],
)  # fmt: skip
def test_a_fault_names_the_key_that_holds_it(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ALIGN_SETTINGS.load("tight", write(tmp_path, changes))
    assert str(caught.value) == f"{tmp_path / 'params.yaml'}: {line}"


def test_a_value_of_the_section_that_one_data_set_reads_has_an_effect(tmp_path: Path) -> None:
    """``align: {template: none, keypoints: dlib5}`` decides nothing, unless a data set has another template."""
    shared = {"align.template": "none", "datasets.tight.align": {"template": "loose"}}
    assert ALIGN_SETTINGS.load("tight", write(tmp_path, shared)).keypoints == "dlib5"


def test_an_unknown_data_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="datasets has no 'tihgt'; did you mean tight"):
        ALIGN_SETTINGS.load("tihgt", write(tmp_path, {}))


def test_a_stage_takes_its_own_keys_alone() -> None:
    assert stage_settings(PARAMS, "ingest", "tight") == {"adapter": "folder", "root": "tight", "seed": 3}
    stamped = stamped_settings(PARAMS)
    assert set(stamped) == set(STAGES)
    assert {name for settings in stamped.values() for name in settings} == {"wild", "tight"}
    for section in OVERRIDABLE:
        assert stamped[section]["wild"] == PARAMS[section]


def test_the_key_that_decides_is_named() -> None:
    assert ALIGN.place(PARAMS, "tight", "size") == "datasets.tight.align.size"
    assert ALIGN.place(PARAMS, "tight", "context") == "align.context"
    assert ALIGN.place(PARAMS, "wild", "size") == "align.size"

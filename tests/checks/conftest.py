"""A project's folder with a params.yaml that is right, for tests that put one thing wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from huggingface_hub import constants
from PIL import Image

from fer_au.checks import check_params

Check = Callable[..., list[str]]

GOOD: dict[str, Any] = {
    "datasets": {"mine": {"adapter": "folder", "root": "faces", "test_fraction": 0.2}},
    "align": {"detector": "whole-image", "keypoints": "detector"},
    "landmarks": {"extractor": "mean-shape"},
    "heatmaps": {},
    "train": {"epochs": 2, "image_size": 64},
    "evaluate": {"cams": ["native"]},
    "experiments": {
        "plain": {"dataset": "mine", "base": "none", "model": {"backbone": "test_resnet"}},
        "au": {
            "dataset": "mine",
            "base": "none",
            "model": {"backbone": "test_resnet", "output_stride": 8, "head": "gap"},
            "guidance": [{"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 4.0}],
        },
    },
    "cross": {},
}


def write_pictures(folder: Path, count: int = 4) -> None:
    """Write a few grey pictures."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(np.full((32, 32), 40 * number, np.uint8)).save(folder / f"s{number}_x.png")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with class folders in ``faces``, on a machine without a network; it is the working directory."""
    for label in ("happy", "sad"):
        write_pictures(tmp_path / "faces" / label)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def changed(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data with dotted keys set; None deletes one."""
    result = yaml.safe_load(yaml.safe_dump(dict(data), sort_keys=False))
    for key, value in changes.items():
        *parents, last = key.split(".")
        place = result
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place.setdefault(parent, {})
        if value is None:
            del place[last]
        elif isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    return dict(result)


@pytest.fixture
def check(project: Path) -> Check:
    """Check the good file with some keys changed; the file's name is cut from the lines."""

    def run(changes: Mapping[str, Any] | None = None) -> list[str]:
        path = project / "params.yaml"
        path.write_text(yaml.safe_dump(changed(GOOD, changes or {}), sort_keys=False))
        lines = check_params()
        assert all(line.startswith("params.yaml: ") for line in lines)
        assert not any("\n" in line for line in lines)
        return [line.removeprefix("params.yaml: ") for line in lines]

    return run

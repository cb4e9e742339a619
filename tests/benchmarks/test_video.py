from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import video
from fer_au.atomic import write_atomically
from fer_au.predictor import Predictor
from fer_au.presets.preset import load_preset
from fer_au.video.timeline import Timeline


def test_every_way_is_timed_on_a_made_up_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    monkeypatch.setenv("FER_AU_LOCKS", str(tmp_path / "locks"))
    for name, value in {"WIDTH": 160, "HEIGHT": 120, "SIDE": 64}.items():
        monkeypatch.setattr(video, name, value)
    monkeypatch.setattr(Timeline, "draw", lambda self, path, title: write_atomically(path, b"drawn"))
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    monkeypatch.setattr(video, "render_people", lambda people: [[[picture] * video.STEPS]] * people)
    video.main(["--seconds", "0.1", "--rounds", "1", "--keep", str(tmp_path / "kept")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("host: ")
    assert lines[2] == "3 frames of 160x120 pixels, faces: 1"
    assert [line.split(" frames/s")[0].rsplit(" ", 1)[0] for line in lines[3:]] == [
        *("round 0: bare", "  overlay none:", "  overlay layercam:")
    ]
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} == {".mp4", ".csv", ".png"}


def test_the_fresh_model_is_that_of_the_preset(tmp_path: Path) -> None:
    preset: Any = load_preset("best-small")
    predictor = Predictor.load(video.fresh_model(tmp_path / "m"), "cpu")
    recipe = {**preset.defaults["model"], **preset.experiments["recipe"]["model"]}
    assert {name: getattr(predictor.model.config, name) for name in recipe} == recipe
    assert predictor.preprocess.image_size == preset.train["image_size"]
    assert predictor.aligner is not None
    assert (predictor.aligner.size, predictor.aligner.keypoints) == (preset.align["size"], preset.align["keypoints"])

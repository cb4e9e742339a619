"""The measurement of detector chains counts what it says."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import detectors as bench
from fer_au.faces.detectors import Detection


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return bench.render(2, tmp_path_factory.mktemp("faces"))[:4]


def test_found_false_and_error_are_counted_apart(faces, monkeypatch):
    aligners = bench.make_aligners(["yunet", "yunet+whole-image"])
    usual = bench.measure_truth(faces, aligners)["yunet"]
    assert (usual.pictures, usual.found, usual.false) == (4, 4, 0)
    assert 0 < np.mean(usual.errors["dlib68"]) < np.mean(usual.errors["detector"]) < 20
    corner = Detection((0.0, 0.0, 20.0, 20.0), 1.0, "whole", 0.0, None, "yunet")
    monkeypatch.setattr("fer_au.faces.alignment.Aligner.find", lambda *_: corner)
    wrong = bench.measure_truth(faces, aligners)["yunet"]
    assert (wrong.found, wrong.false, wrong.errors["dlib68"]) == (0, 4, [])


def test_moved_faces_keep_their_points(faces):
    for (image, points), (other, moved) in zip(faces, bench.moved(faces, 0), strict=True):
        at, there = (np.floor(one[30]).astype(int) for one in (points, moved))
        assert np.abs(image[at[1], at[0]].astype(int) - other[there[1], there[0]]).max() < 40


def test_photographs_are_measured_once_and_shown(faces, tmp_path, capsys):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number, (image, _) in enumerate(faces):
        cv2.imwrite(str(folder / f"{number}.png"), image[:, :, ::-1])
    cv2.imwrite(str(folder / "blank.png"), np.zeros((64, 64, 3), np.uint8))
    ((name, paths),) = bench.photograph_folders([folder], 0)
    aligners = bench.make_aligners(["provided", "yunet"])
    rows = bench.measure_photographs(paths, aligners, tmp_path / "kept")
    assert [bench.summed(own).found for own in rows.values()] == [0, 4]
    kept = (tmp_path / "kept").read_text()
    assert bench.measure_photographs(paths, aligners, tmp_path / "kept") == rows
    assert (tmp_path / "kept").read_text() == kept
    assert len(list(map(json.loads, kept.splitlines()))) == 10
    bench.sheets(rows, "provided", tmp_path / "sheets", name, 3)
    sheet = cv2.imread(str(tmp_path / "sheets" / "photographs.yunet.alone.png"))
    assert sheet.shape == (96, 960, 3)
    assert "3 detections" in capsys.readouterr().out


def test_a_folder_without_pictures_ends_it(tmp_path: Path):
    with pytest.raises(SystemExit, match="no pictures"):
        list(bench.photograph_folders([tmp_path], 0))

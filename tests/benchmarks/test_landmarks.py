from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.landmarks import __main__ as command
from benchmarks.landmarks import run as measuring
from benchmarks.landmarks.accuracy import Outcome, measure, true_box
from benchmarks.landmarks.faces import FaceSet, evenly, stored_faces
from benchmarks.landmarks.pairs import align_faces, extract, find_points, to_pictures
from benchmarks.landmarks.run import Options, run
from benchmarks.landmarks.speed import processor_seconds
from fer_au.datasets import ingest_dataset
from fer_au.datasets.folder import FolderConfig
from fer_au.errors import ConfigError, DataError, MissingDependencyError
from fer_au.faces.alignment import Aligner
from fer_au.faces.detectors import Detection
from fer_au.faces.geometry import apply_matrix
from fer_au.landmarks import create_extractor
from fer_au.landmarks.benchmark_results import read_results, write_results

TWO = Options(detectors=("dlib-hog", "provided"), extractors=("dlib68", "mean-shape"), timed=4)


def test_truth_mapped_into_the_crops_and_back_has_no_error(rendered: FaceSet) -> None:
    crops = align_faces(Aligner(), rendered)
    inside = {row: apply_matrix(crops.matrices[row], rendered.truth.points[row]) for row in range(6)}
    back = to_pictures(crops, range(6), {row: points.astype(np.float32) for row, points in inside.items()})
    figures = measure(back, [Outcome.OK] * 6, rendered.truth)
    assert figures.mean == pytest.approx(0, abs=1e-5)


def test_points_are_those_that_the_extractor_gives_on_the_crop(rendered: FaceSet) -> None:
    aligner, extractor = Aligner(), create_extractor("dlib68")
    crops = align_faces(aligner, rendered.take([1]))
    crop = aligner(rendered.picture(1)).crop
    expected = extractor.extract(crop[None])[0][0]
    found = apply_matrix(crops.matrices[0], extract(extractor, crops, [0])[0])
    # The crop was stored as a JPEG in between, and dlib's points are whole pixels.
    assert np.abs(found - expected).mean() < 1


def test_a_run_measures_all_pairs_and_its_file_survives(rendered: FaceSet, tmp_path: Path) -> None:
    results = run(rendered, TWO)
    pairs = {(pair.detector, pair.extractor): pair for pair in results.pairs}
    assert set(pairs) == {(d, e) for d in TWO.detectors for e in TWO.extractors}
    for pair in pairs.values():
        assert (pair.n, pair.no_face, pair.wrong_face, pair.no_points) == (6, 0, 0, 0)
        assert pair.detector_rate > pair.pair_rate > 0
        assert sum(cell.n for cell in pair.by_expression.values()) == 6
        assert sum(cell.n for cell in pair.by_yaw.values()) == 6
    for detector in TWO.detectors:
        real, floor = pairs[detector, "dlib68"], pairs[detector, "mean-shape"]
        assert real.mean is not None
        assert floor.mean is not None
        assert 0.01 < real.mean < 0.06 < floor.mean
        assert real.auc > floor.auc
    assert pairs["dlib-hog", "dlib68"].relative == 1
    assert (results.images, results.people, results.skipped) == (6, 2, {})
    write_results(tmp_path / "a/b.json", results)
    assert read_results(tmp_path / "a/b.json") == results


def test_a_face_that_is_not_found_and_one_that_is_another(rendered: FaceSet, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = [None, (0.0, 0.0, 20.0, 20.0), *(tuple(true_box(points)) for points in rendered.truth.points[2:])]
    answers = iter(boxes)

    def find(*_: object, **__: object) -> Detection | None:
        box = next(answers)
        return None if box is None else Detection(box, 1.0, "made up")

    monkeypatch.setattr(Aligner, "find", find)
    crops = align_faces(Aligner(keypoints="detector"), rendered)
    points, outcomes = find_points(create_extractor("mean-shape"), crops)
    assert outcomes == [Outcome.NO_FACE, Outcome.WRONG_FACE, *[Outcome.OK] * 4]
    assert np.isnan(points[:2]).all()
    assert np.isfinite(points[2:]).all()


def test_a_detector_that_no_one_vouches_for_is_checked_by_several_looks(rendered: FaceSet) -> None:
    crops = align_faces(Aligner(detector="whole-image"), rendered)
    assert not crops.sure.any()
    # The average face follows every box, so the looks never agree on it.
    _, outcomes = find_points(create_extractor("mean-shape"), crops)
    assert set(outcomes) == {Outcome.NO_POINTS}


def test_a_slow_detector_gets_fewer_faces(rendered: FaceSet) -> None:
    searched = measuring.search_faces(rendered, replace(TWO, budget=1e-9), {})
    assert [len(part.faces) for part in searched.values()] == [5, 5]


def test_what_is_not_installed_is_noted_or_an_error_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise MissingDependencyError(f"{name}: pip install it")

    monkeypatch.setattr(measuring, "create_extractor", missing)
    skipped: dict[str, str] = {}
    assert measuring.make_extractors(Options(), skipped) == {}
    assert skipped["dlib68"] == "dlib68: pip install it"
    with pytest.raises(MissingDependencyError, match="dlib68"):
        measuring.make_extractors(TWO, {})


def test_points_of_a_data_set_are_no_extractor_to_measure() -> None:
    with pytest.raises(ConfigError, match="'truth' gives a data set's own points"):
        measuring.make_extractors(Options(extractors=("truth",)), {})


def test_the_script_prints_a_table_and_writes_the_result(
    rendered: FaceSet, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "stored_faces", lambda folder, root: rendered)
    output = tmp_path / "results/landmarks.json"
    names = ["--detectors", "dlib-hog", "--extractors", "dlib68,mean-shape", "--output", str(output)]
    command.main(["--data", "any", "--root", "any", *names])
    text = capsys.readouterr().out
    lines = [line for line in text.splitlines() if line.startswith("dlib-hog")]
    assert len(lines) == 8  # four tables of two pairs
    for words in ("no face", "scatter", "jaw", "surprise", "0–5°", "6 faces of 2 people", "median of 3 rounds"):
        assert words in text
    assert {pair["extractor"] for pair in json.loads(output.read_text())["pairs"]} == {"dlib68", "mean-shape"}


def test_a_data_set_without_points_has_nothing_to_compare_with(tmp_path: Path) -> None:
    picture = np.full((96, 96, 3), 90, np.uint8)
    (tmp_path / "raw/happiness").mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"raw/happiness/{number}.png"), picture + number)
    config = FolderConfig.model_validate({"adapter": "folder", "root": tmp_path / "raw", "valid_fraction": 0})
    ingest_dataset("plain", config, tmp_path / "data")
    with pytest.raises(DataError, match="no face has 68 annotated points"):
        stored_faces(tmp_path / "data", tmp_path / "raw")


def test_positions_at_even_steps() -> None:
    assert evenly(10, 4) == [0, 3, 6, 9]
    assert evenly(3, 40) == [0, 1, 2]
    assert evenly(1, 5) == [0]


def test_the_time_of_a_task_is_its_median_after_a_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = {"a": iter([9.0, 1.0, 5.0, 2.0]), "b": iter([9.0, 4.0, 4.0, 7.0])}
    clock = 0.0

    def spend(name: str) -> None:
        nonlocal clock
        clock += next(costs[name])

    monkeypatch.setattr("time.process_time", lambda: clock)
    assert processor_seconds({"a": lambda: spend("a"), "b": lambda: spend("b")}, 3) == {"a": 2.0, "b": 4.0}


@pytest.mark.parametrize("arguments", [["--data", "x"], ["--root", "x"], ["--keypoints", "none"]])
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert "error" in capsys.readouterr().err


def test_the_docs_name_every_option_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs/landmarks.md").read_text(encoding="utf-8")
    text = page.partition("\n## The benchmark\n")[2]  # the page names other commands, too
    with pytest.raises(SystemExit):
        command.main(["--help"])
    options = set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}
    assert set(re.findall(r"[`, ](--[a-z]+)", text)) == options

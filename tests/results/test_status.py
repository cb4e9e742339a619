from __future__ import annotations

import json
from pathlib import Path

import pytest

from fer_au.cli import entry
from fer_au.datasets import ManifestRow, write_manifest
from fer_au.rejects import Reason, Reject, write_rejects
from fer_au.results.status import ExperimentStatus, ProjectStatus, read_status
from fer_au.stores.locks import is_locked, output_lock
from fer_au.training.history import HistoryRow, write_history
from tests.results.writer import ResultsWriter


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_AU_LOCKS", str(tmp_path / "locks"))


def write_dataset(name: str, *outputs: str) -> None:
    folder = Path("data", name)
    splits = ["train"] * 60 + ["valid"] * 5 + ["test"] * 15
    rows = [
        ManifestRow(f"{k:03}.png", f"{k:03}.png", "0" * 64, split, None, "anger", None, 64, 64, None)  # type: ignore[arg-type]
        for k, split in enumerate(splits)
    ]
    folder.mkdir(parents=True)
    write_manifest(folder / "manifest.csv", rows)
    write_rejects(folder / "rejects" / "ingest.csv", [Reject("x.png", Reason.NOT_AN_IMAGE)])
    for output in outputs:
        (folder / output).touch()


def train(name: str, epochs: int, finished: bool = False) -> None:
    """Write what a training leaves after some epochs; each has 6 images/s."""
    folder = Path("models", name)
    folder.mkdir(parents=True)
    accuracies = [0.5, 0.7, 0.6, 0.65][:epochs]
    rows = [HistoryRow(k, 0.1, 1.0, 1.0, {}, 0.5, best, 0.5, 1.0, 6.0) for k, best in enumerate(accuracies)]
    write_history(folder / "history.csv", rows)
    if finished:
        (folder / "config.json").touch()


def state(name: str) -> ExperimentStatus:
    found = read_status()
    (one,) = (one for one in [*found.experiments, *found.cross] if one.name == name)
    return one


def test_data_sets_are_told_stage_by_stage(writer: ResultsWriter) -> None:
    writer.params()
    write_dataset("faces", "faces.h5")
    with output_lock(Path("data/faces/landmarks.h5")):
        faces, other = read_status().datasets
    assert faces.stages == {"ingest": "done", "align": "done", "landmarks": "running", "heatmaps": "to do"}
    assert faces.faces == {"train": 60, "valid": 5, "test": 15}
    assert faces.rejects == {"ingest": 1}
    assert set(other.stages.values()) == {"to do"}
    assert read_status().datasets[0].stages["landmarks"] == "to do"


def test_an_experiment_is_told_from_its_first_epoch_to_its_numbers(writer: ResultsWriter) -> None:
    writer.sections["train"] = {"epochs": 4}
    writer.name("au")
    writer.params()
    write_dataset("faces")
    assert state("au") == ExperimentStatus("au", "faces", "to do", epochs=4)
    with output_lock(Path("models/au")):
        assert state("au") == ExperimentStatus("au", "faces", "training", epochs=4)
        train("au", 2)
        assert state("au") == ExperimentStatus("au", "faces", "training", 2, 4, best=0.7, seconds_left=20.0)
    assert state("au").state == "stopped"
    assert state("au").seconds_left is None
    Path("models/au/config.json").touch()
    assert state("au").state == "trained"
    writer.evaluate("au", wrong=3)
    done = state("au")
    assert (done.state, done.accuracy) == ("evaluated", 0.75)


def test_the_time_left_counts_the_share_that_is_trained_on(writer: ResultsWriter) -> None:
    writer.sections["train"] = {"epochs": 4, "fraction": 0.5}
    writer.name("au")
    writer.params()
    write_dataset("faces")
    with output_lock(Path("models/au")):
        train("au", 2)
        assert state("au").seconds_left == 10.0


def test_what_waits_says_for_what(writer: ResultsWriter) -> None:
    writer.name("plain")
    writer.name("tuned", base="plain")
    writer.evaluate_cross("away", "tuned")
    writer.params()
    assert state("tuned").detail == "after its base plain"
    assert state("away").detail == "after tuned"
    train("plain", 4, finished=True)
    assert state("tuned").detail == ""


def test_changed_settings_and_damage_are_told(writer: ResultsWriter) -> None:
    for name in ("au", "broken", "cut"):
        writer.evaluate(name)
        train(name, 4, finished=True)
    params = writer.params()
    writer.lock()
    params.write_text(params.read_text().replace("train: {}", "train: {epochs: 31}"))
    Path("metrics/broken.json").write_text("{")
    Path("models/cut/history.csv").write_text("epoch,valid_accuracy\n0\n")
    assert state("au").state == "outdated"
    assert "train.epochs" in state("au").detail
    assert state("broken").state == "damaged"
    assert "metrics/broken.json" in state("broken").detail
    assert state("cut").state == "damaged"
    assert "models/cut/history.csv" in state("cut").detail


def test_the_command_shows_all_of_it_and_writes_nothing(
    writer: ResultsWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    writer.evaluate("au", wrong=3)
    writer.name("next")
    writer.evaluate_cross("away", "au")
    writer.params()
    write_dataset("faces", "faces.h5", "landmarks.h5", "heatmaps.h5")
    train("au", 4, finished=True)
    before = sorted(Path().rglob("*"))
    assert entry.run(["status"]) == 0
    text = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "faces train 60, valid 5, test 15 rejected: ingest 1 all done" in lines
    assert "au faces evaluated accuracy 0.750" in lines
    assert "next faces to do" in lines
    assert "away other to do" in lines
    assert all(len(line) < 100 for line in text.splitlines())
    assert entry.run(["status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(read_status().to_json()))
    assert sorted(Path().rglob("*")) == before


def test_a_project_without_experiments_has_data_sets(writer: ResultsWriter) -> None:
    writer.params()
    found = read_status()
    assert isinstance(found, ProjectStatus)
    assert [one.name for one in found.datasets] == ["faces", "other"]
    assert found.experiments == []


def test_locks_are_seen_and_left_alone() -> None:
    path = Path("out.h5")
    assert not is_locked(path)
    with output_lock(path):
        assert is_locked(path)
    assert not is_locked(path)
    with output_lock(path):  # looking at it took nothing
        pass

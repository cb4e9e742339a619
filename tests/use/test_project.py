"""``fer_au.open_project``: data sets, experiments and results as objects and tables."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fer_au
from fer_au.datasets import ManifestRow, write_manifest
from fer_au.errors import ArgumentError, ConfigError, DataError, MissingDependencyError
from fer_au.rejects import Reason, Reject, write_rejects
from fer_au.training.history import HistoryRow, write_history
from fer_au.use.project import Project
from tests.results.conftest import writer as writer
from tests.results.writer import ResultsWriter

ROWS = [
    ManifestRow(f"{split}.png", f"{split}.png", "0" * 64, split, None, "anger", None, 64, 48, None)
    for split in ("test", "train", "valid")
]


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))  # as a mapping of its columns


def opened(writer: ResultsWriter) -> Project:
    writer.params()
    return fer_au.open_project(str(writer.root))


def test_a_project_has_what_params_yaml_names(writer: ResultsWriter) -> None:
    writer.sections["train"] = {"epochs": 4}
    writer.name("au", train={"epochs": 6})
    writer.evaluate_cross("au-on-other", "au")
    project = opened(writer)
    assert list(project.datasets) == ["faces", "other"]
    assert project.experiments["au"].entry.model.backbone == "resnet10t"
    assert project.experiments["au"].train.epochs == 6
    assert project.cross["au-on-other"].entry.dataset == "other"
    assert project.params["train"] == {"epochs": 4}
    assert [one.state for one in project.status().experiments] == ["to do"]


def test_a_data_set_is_read_when_it_is_asked_for(writer: ResultsWriter, frames: None) -> None:
    faces = opened(writer).datasets["faces"]
    with pytest.raises(DataError, match=re.escape(str(faces.folder / "manifest.csv"))):
        faces.manifest()
    assert faces.rejects() == {}
    write_manifest(faces.folder / "manifest.csv", ROWS)
    write_rejects(faces.folder / "rejects" / "ingest.csv", [Reject("x.png", Reason.NOT_AN_IMAGE)])
    assert faces.manifest() == ROWS
    assert faces.rejects() == {"ingest": [Reject("x.png", Reason.NOT_AN_IMAGE)]}
    frame: Any = faces.to_frame()
    assert frame["split"] == ["test", "train", "valid"]
    assert frame["width"] == [64] * 3
    with pytest.raises(DataError, match=r"landmarks\.h5"):
        faces.store("landmarks")
    with pytest.raises(ArgumentError, match="kind: unknown 'landmark'; did you mean landmarks"):
        faces.store("landmark")  # type: ignore[arg-type]


def test_an_experiment_tells_its_training_and_its_images(writer: ResultsWriter, frames: None) -> None:
    writer.evaluate("au", wrong=2)
    au = opened(writer).experiments["au"]
    with pytest.raises(DataError, match=r"history\.csv"):
        au.history()
    au.folder.mkdir(parents=True)
    write_history(au.folder / "history.csv", [HistoryRow(0, 0.1, 1.0, 1.0, {}, 0.5, 0.7, 0.5, 1.0, 6.0)])
    assert au.history()["valid_accuracy"] == [0.7]
    assert au.result().metrics["n"] == 12
    frame: Any = au.to_frame()
    wrong = [
        one for one, true, seen in zip(frame["id"], frame["true"], frame["predicted"], strict=True) if true != seen
    ]
    assert wrong == ["test/000.png", "test/001.png"]
    np.testing.assert_array_equal(frame["confidence"], np.float32(0.8))
    assert {"probability.neutral", "probability.anger", "att_cos"} < set(frame)
    assert np.isnan(frame["att_cos"][0])  # neutral has no map
    with pytest.raises(DataError, match=r"config\.json"):
        au.predictor()


def test_all_results_become_one_table(writer: ResultsWriter, frames: None) -> None:
    writer.evaluate("vanilla", wrong=3)
    writer.evaluate("au", wrong=0)
    writer.name("later")
    writer.evaluate_cross("au-on-other", "au", accuracy=0.25)
    writer.evaluate_cross("later-on-other", "later")
    frame: Any = opened(writer).to_frame()
    assert list(frame)[:4] == ["name", "dataset", "group", "seed"]
    assert frame["name"] == ["vanilla", "au", "au-on-other"]
    assert frame["dataset"] == ["faces", "faces", "other"]
    assert frame["accuracy"] == [0.75, 1.0, 0.25]
    assert np.isnan(frame["att_cos"][2])
    there: Any = opened(writer).cross["au-on-other"].to_frame()
    assert sum(map(str.__ne__, there["true"], there["predicted"])) == 1
    assert opened(writer).cross["au-on-other"].experiment.name == "au"


def test_what_is_wrong_is_said_in_one_line(writer: ResultsWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=re.escape(str(writer.root / "params.yaml"))):
        fer_au.open_project(writer.root)
    writer.evaluate("au")
    project = opened(writer)
    monkeypatch.setitem(sys.modules, "pandas", None)
    for part in (project, project.experiments["au"]):
        with pytest.raises(MissingDependencyError, match=r"to_frame\(\) needs pandas; run `pip install pandas`"):
            part.to_frame()
    metrics = Path(writer.root, "metrics/au.json")
    metrics.write_text(json.dumps({"accuracy": 1}))
    with pytest.raises(DataError, match=re.escape(str(metrics))):
        opened(writer).to_frame()
    writer.evaluate_cross("au-on-other", "nobody")
    with pytest.raises(ConfigError, match=r"cross\.au-on-other\.experiment"):
        opened(writer)

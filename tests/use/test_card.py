from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard

from fer_au import Predictor
from fer_au.evaluation.metrics_file import read_metrics, write_metrics
from fer_au.models import create_model, save_model
from tests.cli.conftest import Call
from tests.cli.test_help import example_of
from tests.results.writer import CLASSES, ResultsWriter
from tests.use.conftest import ALIGN, SIDE

GUIDANCE = {"cue": "au", "loss": "cosine", "weight": 4.0}


@pytest.fixture
def project(call: Call) -> Path:
    """A trained experiment in the current folder, as the stage train leaves it."""
    folder = Path("models/au")
    write_trained(folder)
    return folder


def write_trained(folder: Path, classes: tuple[str, ...] = CLASSES, **changes: Any) -> None:
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("epoch\n0\n")
    model = create_model({"backbone": "test_resnet"}, classes, seed=0)
    preprocessing = {"image_size": SIDE, "channels": 3, "mean": [0.5] * 3, "std": [0.25] * 3, "align": ALIGN}
    experiment = {"dataset": "faces", "guidance": [GUIDANCE], "target": "expression", "base": "none"}
    pretrained = {"origin": "a zoo", "sha256": "0" * 64, "licence": "MIT.", "training_data": "Faces."}
    meta = {"preprocessing": preprocessing, "experiment": experiment, "pretrained": pretrained, "seed": 7, **changes}
    save_model(folder, model, meta, ("history.csv",))


def evaluate() -> None:
    baselines = {"baseline.blank.att_ccos": 0.0, "baseline.generic.att_ccos": 0.25, "ceiling.att_ccos": 0.9}
    ResultsWriter(Path()).evaluate("au", wrong=3, images=30, att_ccos=0.4, **baselines)


def read_card(folder: Path) -> tuple[ModelCard, str]:
    text = (folder / "README.md").read_text()
    return ModelCard(text), text


def test_a_card_tells_hubs_and_people_what_was_measured(project: Path, call: Call) -> None:
    evaluate()
    code, out, err = call(*example_of("fer-au card")[1:])
    assert (code, err) == (0, "")
    assert out == "shared/au: model.safetensors, config.json, history.csv, README.md\n"
    card, text = read_card(Path("shared/au"))
    assert (card.data.license, card.data.library_name) == ("other", "fer_au")
    found = {one.metric_name: one for one in card.data.eval_results or ()}
    metrics = read_metrics(Path("metrics/au.json"))
    assert found["Accuracy"].metric_value == pytest.approx(metrics["accuracy"], abs=1e-6)
    assert found["Macro F1"].metric_type == "f1"
    assert found["att_ccos"].metric_value == 0.4
    assert (found["Accuracy"].dataset_name, found["Accuracy"].dataset_split) == ("faces", "test")
    assert "| accuracy | 90.00 | 76.67 to 100.00 |" in text
    assert (
        "| att_ccos | 0.400 | not known | blank map 0.000, all action units 0.250, ceiling of the grid 0.900 |" in text
    )
    assert "| att_cos | 0.515 | 0.515 to 0.515 | not known |" in text.partition("## Where it looks")[2]
    assert "backbone `test_resnet`, head `gap`, 372,979 parameters" in text
    assert 'It looks at action units: att_ccos 0.400 is above the best map that knows no class, "all action' in text
    assert "started from a zoo (licence: MIT; training data: Faces)" in text
    assert "`au` by loss `cosine`, weight 4.0" in text


def test_the_folder_is_the_model_and_its_bytes_depend_on_nothing_else(project: Path, call: Call) -> None:
    assert call("card", "au", "-o", "one")[0] == call("card", "au", "-o", "two/three")[0] == 0
    for name in ("README.md", "config.json", "history.csv", "model.safetensors"):
        assert Path("one", name).read_bytes() == Path("two/three", name).read_bytes()
    text = Path("one/README.md").read_text()
    assert str(Path.cwd()) not in text
    for name in ("config.json", "history.csv", "model.safetensors"):
        assert f"`{hashlib.sha256(Path('one', name).read_bytes()).hexdigest()}`" in text
    picture = np.random.default_rng(0).integers(0, 255, (1, SIDE, SIDE, 3), np.uint8)
    scores = [Predictor.load(folder, "cpu")(picture, aligned=True).scores for folder in ("one", project)]
    np.testing.assert_array_equal(*scores)


def test_what_was_not_evaluated_is_said(project: Path, call: Call) -> None:
    assert call("card", "au", "-o", "out", "--license", "cc-by-nc-4.0")[0] == 0
    card, text = read_card(Path("out"))
    assert (card.data.license, card.data.eval_results) == ("cc-by-nc-4.0", None)
    assert "Not evaluated: nothing is known of how well it does." in text
    assert "Not measured: nothing is known of where it looks." in text


def test_scores_of_another_model_are_refused(project: Path, call: Call) -> None:
    evaluate()
    path = Path("metrics/au.json")
    write_metrics(path, read_metrics(path), model="0" * 64)
    code, out, err = call("card", "au", "-o", "out")
    assert (code, out) == (2, "")
    assert err.startswith("error: metrics/au.json: of another model than the one that lies there now; ")
    assert not Path("out").exists()


def test_a_damaged_file_is_not_given_away(project: Path, call: Call) -> None:
    (project / "history.csv").write_text("epoch\n1\n")
    code, _, err = call("card", "au", "-o", "out")
    assert code == 2
    assert err.startswith("error: models/au/history.csv: sha256 ")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["au", "-o", "out", "--license", "My own"], "--license: expected an identifier such as cc-by-nc-4.0 or other"),
        (["au", "-o", "models/au"], "models/au: is the output of a stage; name another folder"),
        (["models/au", "-o", "out"], "models/au: is no experiment's name; for models/NAME, say NAME"),
        (["no", "-o", "out"], "models/no/config.json: can't be read (No such file or directory); "),
        (["persons", "-o", "out"], "persons: its classes are persons of the data set, whose names would go along; no "),
    ],
)
def test_slips_are_one_line_and_no_folder(words: list[str], line: str, project: Path, call: Call) -> None:
    write_trained(Path("models/persons"), ("subject:a", "subject:b"))
    code, out, err = call("card", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {line}")
    assert err.count("\n") == 1
    assert not Path("out").exists()
    assert not Path("models/au/README.md").exists()


def test_a_machines_path_that_goes_along_is_named(project: Path, call: Call) -> None:
    config = json.loads((project / "config.json").read_text())
    assert config["model"]["weights"] == "none"
    model = create_model({"backbone": "test_resnet"}, CLASSES, seed=0)
    model.config = model.config.model_copy(update={"weights": "/lab/faces.pth"})
    save_model(project, model, {key: config[key] for key in ("preprocessing", "experiment")}, ("history.csv",))
    code, _, err = call("card", "au", "-o", "out")
    assert code == 0
    assert err.strip().endswith("names the file of weights that the training began with, /lab/faces.pth; it goes along")

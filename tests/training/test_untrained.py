"""A model that was made elsewhere, from its entry to its scores: those of the same network that was trained here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.errors import ConfigError, DataError
from fer_au.evaluation.metrics_file import read_metrics
from fer_au.evaluation.stage import evaluate_experiment
from fer_au.models.config_file import check_folder, read_config
from fer_au.models.trained import Training
from fer_au.stores.reader import Store
from fer_au.training.stage import train_experiment
from fer_au.use.export import export_model
from tests.training.foreign import DATA, foreign_project

LABELS = ("neutral", "happiness", "anger")
MODULE = """
from pathlib import Path
from torch import nn
from fer_au.models import load_model


class Bare(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return {"logits": self.model(x).logits[:, [2, 0, 1]]}


def create():
    return Bare(load_model(Path("models/here"))[0])
"""
EVALUATE = {"cams": ["gradcam", "layercam"], "faithfulness_images": 2, "attention_layers": ["last"]}
MODEL = {
    "backbone": "external",
    "factory": "made_here:create",
    "layers": [f"model.backbone.network.layer{n}" for n in (1, 4)],
    "input": {"size": 64, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    "classes": {"angry": "anger", "calm": "neutral", "joy": "happiness"},
}


@pytest.fixture(scope="module", autouse=True)
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with made-up faces and one experiment, trained for an epoch."""
    with foreign_project(tmp_path_factory.mktemp("project"), "made_here", MODULE, LABELS) as folder:
        run("here", {"model": {"backbone": "test_resnet"}}, TrainConfig(epochs=1, batch_size=4, image_size=64))
        yield folder


def run(name: str, entry: dict[str, Any], train: TrainConfig | None = None) -> Training:
    """Train an experiment, or take it as it is."""
    experiment = ExperimentConfig.model_validate({"dataset": "blobs", **entry})
    training = Training(name, experiment, train or TrainConfig(image_size=64))
    train_experiment(name, experiment, training.train, DATA, Path("models/none"), Path("models") / name)
    return training


def elsewhere(**changes: Any) -> dict[str, Any]:
    return {"train": "none", "model": {**MODEL, **changes}}


def scores(training: Training, **settings: Any) -> tuple[dict[str, Any], Store]:
    """Evaluate an experiment: metrics, and what is kept of single images."""
    name = training.name
    evaluate_experiment(
        EvaluateConfig.model_validate({**EVALUATE, **settings}),
        dataset_dir=DATA,
        model_dir=Path("models") / name,
        metrics_path=Path(f"metrics/{name}.json"),
        store_path=Path(f"evaluation/{name}.h5"),
        trained=training,
    )
    return read_metrics(Path(f"metrics/{name}.json")), Store.open(Path(f"evaluation/{name}.h5"), "evaluation")


@pytest.fixture(scope="module")
def taken() -> Training:
    return run("there", elsewhere())


def test_the_same_network_gets_the_same_scores_here_and_from_elsewhere(taken: Training) -> None:
    trained = Training("here", ExperimentConfig(dataset="blobs", model={"backbone": "test_resnet"}), HERE)  # type: ignore[arg-type]
    ours, theirs = scores(trained), scores(taken)
    assert set(ours[0]) - set(theirs[0]) == {
        "seed", "selected_on", "selected.epoch", "selected.train_accuracy", "selected.valid_accuracy",
        "train_images_per_second",
    } | {key for key in ours[0] if key.startswith("layer.5") or ".5." in key}  # fmt: skip
    assert ours[0]["accuracy"] == theirs[0]["accuracy"]
    for column in ("probabilities", "cam/gradcam", "cam/layercam"):
        assert np.abs(np.asarray(ours[1][column]) - np.asarray(theirs[1][column])).max() <= 1e-4


def test_a_network_from_elsewhere_sees_the_same_disturbances(taken: Training) -> None:
    trained = Training("here", ExperimentConfig(dataset="blobs", model={"backbone": "test_resnet"}), HERE)  # type: ignore[arg-type]
    names = ["moved", "jpeg", "mouth_occluded"]
    ours, theirs = (scores(one, cams=[], moved=False, robustness=names)[1] for one in (trained, taken))
    for name in names:
        column = f"robustness/{name}/predicted"
        assert np.asarray(ours[column]).tolist() == np.asarray(theirs[column]).tolist()


def test_a_network_from_elsewhere_is_audited_without_fresh_weights(
    taken: Training, capsys: pytest.CaptureFixture[str]
) -> None:
    found = scores(taken, cams=[], moved=False, faithfulness_images=0, audits="all", audit_images=1)[0]
    assert "can't be given fresh weights" in capsys.readouterr().err
    assert found["audit.n"] == 1
    assert "audit.road.att" in found
    assert not any("randomisation" in key for key in found)


HERE = TrainConfig(epochs=1, batch_size=4, image_size=64)


def test_an_exported_model_gets_the_same_scores_from_its_file(taken: Training) -> None:
    export_model(Path("models/here"), Path("here.onnx"))
    trained = Training("here", ExperimentConfig(dataset="blobs", model={"backbone": "test_resnet"}), HERE)  # type: ignore[arg-type]
    ours = scores(trained, cams=["occlusion"])
    model = {
        "factory": "here.onnx",
        "layers": ["attention"],
        "input": {"size": 64, "mean": 0, "std": 1 / 255},
        "classes": {label: label for label in LABELS},
    }
    file = run("file", elsewhere(**model))
    Path("here.onnx").unlink()  # the folder of the model is enough
    theirs = scores(file, cams=["occlusion"])
    assert ours[0]["accuracy"] == theirs[0]["accuracy"]
    assert theirs[0]["att_ccos"] == pytest.approx(ours[0]["att_ccos"], abs=1e-4)
    assert theirs[0]["att_ccos_moved"] == pytest.approx(ours[0]["att_ccos_moved"], abs=0.02)  # bytes are rounded
    differences = {
        column: np.abs(np.asarray(ours[1][column], np.float32) - np.asarray(theirs[1][column], np.float32))
        for column in ("probabilities", "cam/occlusion")
    }
    assert differences["probabilities"].max() <= 1e-4
    assert differences["cam/occlusion"].mean() <= 0.02  # of its range: a cover's colour is rounded to a byte, too


def test_the_folder_is_that_of_a_model_without_a_training(taken: Training) -> None:
    folder = Path("models/there")
    check_folder(folder)
    meta = read_config(folder)
    assert meta["experiment"]["train"] == "none"
    assert list(meta["model"]["classes"]) == ["angry", "calm", "joy"]
    assert not {"selected_epoch", "train"} & set(meta)
    assert (folder / "history.csv").read_text().count("\n") == 1
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run("there", elsewhere())
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"classes": {"calm": "anger", "angry": "neutral", "joy": "happiness"}}, "model.classes"),
        ({"classes": {"calm": "neutral", "angry": "anger", "joy": "happiness"}}, "model.classes"),
        ({"factory": "made_here:other"}, "model.factory"),
        ({"input": {**MODEL["input"], "channels": "bgr"}}, "model.input.channels"),
    ],
)
def test_a_model_of_other_settings_is_noticed_before_its_code_runs(
    taken: Training, changes: dict[str, Any], key: str
) -> None:
    experiment = ExperimentConfig.model_validate({"dataset": "blobs", **elsewhere(**changes)})
    with pytest.raises(DataError, match=f"experiments.there.{key}"):
        scores(taken._replace(experiment=experiment))


def test_crops_of_another_template_are_refused(taken: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_au.batches.faces import FaceDataset

    monkeypatch.setattr(FaceDataset, "align_options", {"template": "arcface"})
    with pytest.raises(DataError, match=r"align\.template 'arcface'.*'loose'"):
        run("framed", elsewhere(input={**MODEL["input"], "template": "loose"}))


def test_classes_that_the_model_lacks_are_counted(capfd: pytest.CaptureFixture[str]) -> None:
    few = run("few", elsewhere(classes={"angry": "anger", "calm": "neutral", "joy": None}))
    found, store = scores(few)
    assert "few: 1 face of test has a class that the model lacks" in capfd.readouterr().err
    assert found["n"] == 2
    assert store.attributes["classes"] == "neutral,anger"
    assert np.allclose(np.asarray(store["probabilities"]).sum(1), 1)


def test_a_network_that_fails_is_one_line_with_its_key() -> None:
    with pytest.raises(ConfigError, match=r"experiments\.bad\.model\.layers\[0\]: the model has no module 'x'"):
        run("bad", elsewhere(layers=["x"]))
    assert not Path("models/bad/config.json").exists()


def test_what_is_known_of_its_training_is_said(taken: Training, capfd: pytest.CaptureFixture[str]) -> None:
    assert json.loads(Path("models/there/config.json").read_text())["preprocessing"]["mean"][0] == 0.485
    scores(taken, cams=[])
    assert "can't be told: the model was made elsewhere" in capfd.readouterr().err

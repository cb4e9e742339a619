from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import yaml

from benchmarks.shared.blobs import Blob, many
from fer_au.batches import FaceDataset
from fer_au.config.entries import load_experiment
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.errors import ConfigError, DataError
from fer_au.models import load_model, weights_card
from fer_au.models.pretrained import PretrainedWeights
from fer_au.training import start as start_module
from fer_au.training import train_experiment
from fer_au.training.checkpoint import CHECKPOINTS, Checkpoint
from fer_au.training.stage import balanced_weights
from fer_au.training.trainer import Trainer
from tests.training.forks import Forks

Make = Callable[[Sequence[Blob]], Path]
NONE = Path("models/none")
AU = {"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 4.0}


def experiment(**changes: Any) -> ExperimentConfig:
    base = {"dataset": "blobs", "model": {"backbone": "test_resnet", "output_stride": 8}, "guidance": [AU]}
    return ExperimentConfig.model_validate({**base, **changes})


def settings(**changes: Any) -> TrainConfig:
    return TrainConfig.model_validate(
        {"epochs": 2, "batch_size": 16, "image_size": 32, "precision": "fp32", "optimizer": {"lr": 0.02}, **changes}
    )


def config_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text())


def test_it_writes_a_model_that_loads_its_history_and_how_it_came_about(dataset_dir: Path) -> None:
    train_experiment("au", experiment(), settings(), dataset_dir, NONE, Path("models/au"))
    assert {path.name for path in Path("models/au").iterdir()} == {"model.safetensors", "config.json", "history.csv"}
    model, meta = load_model(Path("models/au"))
    faces = FaceDataset(dataset_dir, "train", 32)
    assert model.classes == faces.classes
    with Path("models/au/history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    best = min(rows, key=lambda row: (-float(row["valid_accuracy"]), float(row["valid_loss"])))
    assert meta["selected_epoch"] == int(best["epoch"])
    assert meta["selected_on"] == "valid"
    assert meta["seed"] == 0
    assert meta["precision"] == "fp32"
    assert meta["train_images_per_second"] > 0
    assert meta["data"] == faces.content_hashes()
    assert meta["experiment"]["guidance"][0]["weight"] == 4.0
    assert meta["train"]["epochs"] == 2
    assert meta["preprocessing"]["image_size"] == 32
    assert meta["preprocessing"]["align"] == {"template": "loose"}
    assert str(dataset_dir) not in Path("models/au/config.json").read_text()


def test_a_finished_training_leaves_no_checkpoint(dataset_dir: Path) -> None:
    train_experiment("au", experiment(), settings(), dataset_dir, NONE, Path("models/au"))
    assert not list(CHECKPOINTS.iterdir())


def test_equal_seeds_give_identical_weights_and_others_do_not(dataset_dir: Path) -> None:
    weights = []
    for run, seed in enumerate((3, 3, 4)):
        train_experiment("au", experiment(seed=seed), settings(), dataset_dir, NONE, Path(f"models/{run}"))
        weights.append((Path(f"models/{run}") / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


def test_the_epoch_is_selected_on_valid_and_on_test_only_if_asked(
    dataset_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits: list[str] = []
    original = Trainer.fit

    def fit(self: Trainer, train: FaceDataset, selection: FaceDataset, *rest: Any) -> Any:
        splits.append(f"{train.split}/{selection.split}")
        return original(self, train, selection, *rest)

    monkeypatch.setattr(Trainer, "fit", fit)
    for choice in ("valid", "test"):
        train_experiment("au", experiment(), settings(select_on=choice), dataset_dir, NONE, Path("models") / choice)
        assert config_of(Path("models") / choice)["selected_on"] == choice
    assert splits == ["train/valid", "train/test"]


def test_the_saved_weights_are_those_of_the_selected_epoch(dataset_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_au.training import scoring, trainer

    scores = iter(
        [scoring.SplitScores(0.9, 0.9, 0.1), scoring.SplitScores(0.5, 0.5, 0.1), scoring.SplitScores(0.9, 0.9, 0.2)]
    )
    snapshots = []

    def score(model: Any, *_: Any) -> scoring.SplitScores:
        snapshots.append({name: value.clone() for name, value in model.state_dict().items()})
        return next(scores)

    monkeypatch.setattr(trainer, "score_split", score)
    train_experiment("au", experiment(), settings(epochs=3), dataset_dir, NONE, Path("models/au"))
    model, meta = load_model(Path("models/au"))
    assert meta["selected_epoch"] == 0
    assert all(value.equal(snapshots[0][name]) for name, value in model.state_dict().items())
    assert not all(value.equal(snapshots[2][name]) for name, value in model.state_dict().items())


def test_a_base_experiments_weights_are_the_start(dataset_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_experiment("first", experiment(), settings(), dataset_dir, NONE, Path("models/first"))
    base, meta = load_model(Path("models/first"))
    starts = []
    original = Trainer.fit

    def fit(self: Trainer, *arguments: Any) -> Any:
        starts.append({name: value.clone() for name, value in self.model.state_dict().items()})
        return original(self, *arguments)

    monkeypatch.setattr(Trainer, "fit", fit)
    second = experiment(base="first", seed=1)
    train_experiment("second", second, settings(), dataset_dir, Path("models/first"), Path("models/second"))
    assert all(value.equal(starts[0][name]) for name, value in base.state_dict().items())
    assert config_of(Path("models/second"))["base_weights_sha256"] == meta["weights_sha256"]
    assert config_of(Path("models/first"))["base_weights_sha256"] is None


def test_a_files_weights_are_the_start_and_part_of_what_a_training_is(
    dataset_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = timm.create_model("test_resnet").state_dict()
    torch.save({"state_dict": tensors}, "face.pth")
    starts, identities = [], []
    original = Trainer.fit

    def fit(self: Trainer, train: FaceDataset, selection: FaceDataset, checkpoint: Checkpoint, *rest: Any) -> Any:
        starts.append({name: value.clone() for name, value in self.model.backbone.network.state_dict().items()})
        identities.append(checkpoint.folder)
        return original(self, train, selection, checkpoint, *rest)

    monkeypatch.setattr(Trainer, "fit", fit)
    chosen = experiment(model={"backbone": "test_resnet", "output_stride": 8, "weights": "face.pth"})
    train_experiment("face", chosen, settings(epochs=1), dataset_dir, NONE, Path("models/face"))
    assert all(value.equal(tensors[name]) for name, value in starts[0].items())
    digest = hashlib.sha256(Path("face.pth").read_bytes()).hexdigest()
    assert config_of(Path("models/face"))["pretrained"] == {"origin": "face.pth", "sha256": digest}
    torch.save({"state_dict": tensors, "epoch": 1}, "face.pth")
    train_experiment("face", chosen, settings(epochs=1), dataset_dir, NONE, Path("models/face"))
    assert identities[0] != identities[1]
    load_model(Path("models/face"))  # without the file that it started from
    train_experiment("au", experiment(), settings(epochs=1), dataset_dir, NONE, Path("models/au"))
    assert config_of(Path("models/au"))["pretrained"] is None


def test_pixels_keep_the_scale_of_the_weights_that_a_training_starts_from(
    dataset_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = PretrainedWeights("somewhere", "0" * 64, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    with monkeypatch.context() as patch:
        patch.setattr(start_module, "load_pretrained", lambda _: halves)
        train_experiment("first", experiment(), settings(epochs=1), dataset_dir, NONE, Path("models/first"))
    second = experiment(base="first")
    train_experiment("second", second, settings(epochs=1), dataset_dir, Path("models/first"), Path("models/second"))
    for name in ("first", "second"):
        preprocessing = config_of(Path("models") / name)["preprocessing"]
        assert (preprocessing["mean"], preprocessing["std"]) == ([0.5] * 3, [0.25] * 3)


def test_a_model_says_what_is_known_of_the_weights_that_it_started_from(dataset_dir: Path) -> None:
    model = {"backbone": "sface", "weights": "faces", "cut_after": 3}
    train_experiment("faces", experiment(model=model), settings(epochs=1), dataset_dir, NONE, Path("models/faces"))
    config, card = config_of(Path("models/faces")), weights_card("faces", "sface")
    assert config["pretrained"]["licence"] == card.licence
    assert config["pretrained"]["training_data"] == card.training_data
    assert config["pretrained"]["origin"].startswith("OpenCV model zoo face_recognition_sface")
    preprocessing = config["preprocessing"]
    assert (preprocessing["mean"], preprocessing["std"]) == ([0.5] * 3, [128 / 255] * 3)
    loaded, _ = load_model(Path("models/faces"))
    assert loaded.layers == ("1", "2", "3")


def test_a_base_excludes_other_weights(tmp_path: Path) -> None:
    first = {"dataset": "d", "base": "none", "model": {"backbone": "test_resnet"}}
    second = {**first, "base": "first", "model": {"backbone": "test_resnet", "weights": "imagenet"}}
    params = {"datasets": {"d": {}}, "experiments": {"first": first, "x": second}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"experiments\.x: base 'first' and model\.weights 'imagenet' exclude"):
        load_experiment("x", tmp_path / "params.yaml")


def test_a_class_with_one_image_trains_with_balanced_weights(make_dataset: Make) -> None:
    folder = make_dataset([*many("anger", 11), Blob("surprise"), Blob("anger", "valid"), Blob("surprise", "valid")])
    train_experiment("au", experiment(), settings(class_weights="balanced"), folder, NONE, Path("models/au"))
    weights = balanced_weights(FaceDataset(folder, "train", 32))
    assert np.allclose(weights, [12 / 2 / 1, 12 / 2 / 11])


def test_one_channel_models_train(dataset_dir: Path) -> None:
    grey = experiment(model={"backbone": "test_resnet", "output_stride": 8, "in_chans": 1})
    train_experiment("grey", grey, settings(epochs=1), dataset_dir, NONE, Path("models/grey"))
    assert config_of(Path("models/grey"))["preprocessing"]["channels"] == 1


@pytest.mark.parametrize(
    ("blobs", "changes", "message"),
    [
        ([*many("anger", 3), Blob("neutral")], {}, "split valid .* is empty; raise datasets.data.valid_fraction"),
        ([Blob("anger"), Blob("anger"), Blob("anger", "valid")], {}, "at least two faces of two classes.* has 2 of 1"),
        ([Blob("anger", "valid")], {}, "has 0 of 0"),
        ([*many("anger", 3), Blob("neutral"), Blob("anger", "valid")], {"precision": "fp16"}, "fp16 needs a GPU"),
    ],
)
def test_what_cannot_train_is_one_clear_line(
    make_dataset: Make, blobs: list[Blob], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises((DataError, ConfigError), match=message):
        train_experiment("au", experiment(), settings(**changes), make_dataset(blobs), NONE, Path("models/au"))


def test_an_image_size_that_the_backbone_cannot_take_is_refused_before_training(dataset_dir: Path) -> None:
    fixed = experiment(model={"backbone": "vit_tiny_patch16_224"})
    with pytest.raises(ConfigError, match="'vit_tiny_patch16_224' can't take images of 40 pixels"):
        train_experiment("au", fixed, settings(image_size=40), dataset_dir, NONE, Path("models/au"))
    assert not Path("models/au").exists()


def test_faces_of_classes_that_train_lacks_are_reported(make_dataset: Make, capfd: pytest.CaptureFixture[str]) -> None:
    folder = make_dataset([*many("anger", 4), *many("neutral", 4), Blob("anger", "valid"), Blob("surprise", "valid")])
    train_experiment("au", experiment(), settings(epochs=1), folder, NONE, Path("models/au"))
    assert "1 face of valid left out" in capfd.readouterr().err


@pytest.mark.parametrize(("number", "said"), [(19, True), (20, False)])
def test_a_handful_of_faces_that_selects_is_told(
    number: int, said: bool, make_dataset: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = make_dataset([*many("anger", 4), *many("neutral", 4), *many("anger", number, "valid")])
    train_experiment("au", experiment(), settings(epochs=1), folder, NONE, Path("models/au"))
    few = ", so few that chance selects" if said else ""
    assert f", selected on valid ({number} faces{few})\n" in capfd.readouterr().err


@pytest.mark.slow
def test_a_training_killed_by_the_system_goes_on_and_ends_in_the_same_bytes(
    dataset_dir: Path, monkeypatch: pytest.MonkeyPatch, forks: Forks
) -> None:
    config = settings(epochs=8)
    monkeypatch.setenv("FER_AU_CACHE", "straight.cache")  # what the workspace's own holds is found from anywhere
    train_experiment("au", experiment(), config, dataset_dir, NONE, Path("models/straight"))
    monkeypatch.setenv("FER_AU_CACHE", "another")  # a finished one would be fetched
    texts = [experiment().model_dump_json(), config.model_dump_json(), str(dataset_dir), "models/killed"]
    killed = forks.start("tests.training.together:train", *texts)
    deadline = time.monotonic() + 60
    while not list(CHECKPOINTS.glob("*/state.safetensors")) and time.monotonic() < deadline:
        assert killed.alive, killed.said
        time.sleep(0.002)
    os.kill(killed.pids[0], signal.SIGKILL)
    assert killed.wait() == [-signal.SIGKILL]
    assert not Path("models/killed/model.safetensors").exists()
    again = forks.start("tests.training.together:train", *texts)
    assert again.wait() == [0], again.said
    assert "goes on after epoch" in again.said
    weights = [(Path("models") / run / "model.safetensors").read_bytes() for run in ("straight", "killed")]
    assert weights[0] == weights[1]

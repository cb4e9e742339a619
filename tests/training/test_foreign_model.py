"""A sound model of another experiment, or of another data set, in place of the right one is refused in one line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.shared.blobs import CENTRES, many, write_dataset
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.errors import DataError
from fer_au.evaluation import evaluate_experiment
from fer_au.models.config_file import read_config
from fer_au.models.trained import Training, check_training
from fer_au.stores import write_store
from fer_au.stores.columns import encode_ids
from fer_au.stores.reader import Store
from fer_au.training import train_experiment

VANILLA: dict[str, Any] = {"dataset": "blobs", "model": {"backbone": "test_resnet", "output_stride": 8}}
AU: dict[str, Any] = {**VANILLA, "guidance": [{"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 4.0}]}
SETTINGS: dict[str, Any] = {"epochs": 1, "batch_size": 16, "image_size": 32, "precision": "fp32"}
BLOBS = [blob for label in CENTRES for blob in [*many(label, 3), *many(label, 1, "valid"), *many(label, 1, "test")]]


def expected(name: str, entry: dict[str, Any], **settings: Any) -> Training:
    train = TrainConfig.model_validate({**SETTINGS, **settings})
    return Training(name, ExperimentConfig.model_validate(entry), train)


def make_data(folder: Path, seed: int = 0) -> Path:
    write_dataset(folder, BLOBS, seed)
    ids = Store.open(folder / "faces.h5", "faces").ids
    write_store(folder / "annotations.h5", "annotations", {"id": encode_ids(ids)}, fingerprint="a" * 64)
    return folder


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A project with a data set and the models ``vanilla`` and ``au``."""
    data = make_data(tmp_path / "data/blobs")
    for name, entry in (("vanilla", VANILLA), ("au", AU)):
        _, experiment, train = expected(name, entry)
        train_experiment(name, experiment, train, data, Path("models/none"), Path("models") / name)
    return tmp_path


def evaluate(name: str, entry: dict[str, Any]) -> None:
    evaluate_experiment(
        EvaluateConfig(cams=[], faithfulness_images=0, moved=False),
        dataset_dir=Path("data/blobs"),
        model_dir=Path("models") / name,
        metrics_path=Path("metrics") / f"{name}.json",
        store_path=Path("evaluation") / f"{name}.h5",
        trained=expected(name, entry),
    )


def test_a_folder_of_another_experiment_is_not_evaluated_nor_trained_on(trained: Path) -> None:
    evaluate("au", AU)
    shutil.rmtree("models/au")
    shutil.copytree("models/vanilla", "models/au")
    told = (
        r"models/au: was trained with other settings than params.yaml has now \(experiments.au.guidance\); "
        r"`dvc checkout --force models/au` brings it back, or `dvc repro train@au` trains it"
    )
    with pytest.raises(DataError, match=told):
        evaluate("au", AU)
    _, later, train = expected("later", {**VANILLA, "base": "au"})
    places = (Path("data/blobs"), Path("models/au"), Path("models/later"))
    with pytest.raises(DataError, match=told):
        train_experiment("later", later, train, *places, base_training=expected("au", AU))
    assert not Path("models/later").exists()
    train_experiment("later", later, train, *places, base_training=expected("au", VANILLA))


def test_a_model_of_another_version_of_the_data_is_not_evaluated(trained: Path) -> None:
    shutil.rmtree("data/blobs")
    make_data(trained / "data/blobs", seed=1)
    told = r"models/vanilla: was trained on something else than data/blobs/faces.h5; `dvc checkout --force data/blobs/"
    with pytest.raises(DataError, match=told):
        evaluate("vanilla", VANILLA)


def test_only_what_decides_a_training_is_compared(trained: Path) -> None:
    folder = Path("models/au")
    meta = read_config(folder)
    for same in (
        expected("au", {**AU, "group": "mine", "train": {"epochs": 1}}),
        expected("au", {**AU, "model": {**AU["model"], "head": "gap", "weights": "none"}}),
        expected("au", AU, precision="auto", label_smoothing=0.0),
    ):
        check_training(folder, meta, same)
    fitted = {**meta, "model": {**meta["model"], "backbone_options": {"img_size": 32}}}
    check_training(folder, fitted, expected("au", AU))
    for other, key in (
        (expected("au", {**AU, "seed": 1}), "experiments.au.seed"),
        (expected("au", {**AU, "dataset": "other"}), "experiments.au.dataset"),
        (expected("au", {**AU, "model": {**AU["model"], "head": "wildcat"}}), "experiments.au.model.head"),
        (expected("au", AU, epochs=2), "train.epochs"),
    ):
        with pytest.raises(DataError, match=rf"than params.yaml has now \({key}"):
            check_training(folder, meta, other)

"""Telling persons apart: who takes part, what is held out, and the start it gives to expressions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.shared.blobs import CENTRES, Blob
from fer_au.batches import FaceDataset
from fer_au.config.entries import find_reference_faults
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.errors import ArgumentError, DataError
from fer_au.evaluation import evaluate_experiment
from fer_au.models import create_model, load_model
from fer_au.models.classes import check_classes
from fer_au.stores.columns import encode_ids
from fer_au.stores.writer import write_store
from fer_au.training import train_experiment
from fer_au.training.trainer import Trainer

Make = Callable[[Sequence[Blob]], Path]
NONE = Path("models/none")
MODEL = {"backbone": "test_resnet", "output_stride": 8}
ANNA, BO, CY = "subject:anna", "subject:bo", "subject:cy"


def experiment(**changes: Any) -> ExperimentConfig:
    return ExperimentConfig.model_validate({"dataset": "data", "model": MODEL, **changes})


def settings() -> TrainConfig:
    return TrainConfig.model_validate({"epochs": 1, "batch_size": 8, "image_size": 32, "precision": "fp32"})


def blobs() -> list[Blob]:
    """Anna has 20 training faces, Bo 4, Cy 2; one more has no name; Dee and Anna have faces in other splits."""
    labels = list(CENTRES)
    faces = [Blob(labels[number % 4], subject="anna") for number in range(20)]
    faces += [Blob(labels[number % 4], subject="bo") for number in range(4)]
    faces += [Blob("neutral", subject="cy"), Blob("anger", subject="cy"), Blob("anger")]
    return [*faces, *(Blob(label, split, subject="dee") for label in labels for split in ("valid", "test"))]


def test_classes_are_the_known_persons_of_train_and_others_take_no_part(make_dataset: Make) -> None:
    folder = make_dataset(blobs())
    splits = {name: FaceDataset(folder, name, 32, target="subject") for name in ("train", "valid", "test")}
    assert {faces.classes for faces in splits.values()} == {(ANNA, BO, CY)}
    counts = {name: [(faces.labels == person).sum() for person in range(3)] for name, faces in splits.items()}
    assert counts == {"train": [16, 2, 2], "valid": [2, 1, 0], "test": [2, 1, 0]}
    ids = [id_ for faces in splits.values() for id_ in faces.ids]
    assert len(ids) == len(set(ids)) == 26
    assert splits["test"].ids == ("0000.png", "0001.png", "0020.png")
    assert splits["valid"].ids == ("0002.png", "0003.png", "0021.png")


def test_a_models_own_classes_say_that_they_are_persons(make_dataset: Make) -> None:
    folder = make_dataset(blobs())
    faces = FaceDataset(folder, "test", 32, (ANNA, CY))
    assert faces.ids == ("0000.png", "0001.png")
    assert faces.skipped == 1


def test_expressions_are_as_they_were(make_dataset: Make) -> None:
    folder = make_dataset(blobs())
    assert len(FaceDataset(folder, "train", 32)) == 27
    assert len(FaceDataset(folder, "test", 32)) == 4


def test_a_network_that_knows_persons_is_scored_and_starts_expressions_with_a_fresh_head(
    make_dataset: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_dataset(blobs())
    train_experiment("who", experiment(target="subject"), settings(), folder, NONE, Path("models/who"))
    known, meta = load_model(Path("models/who"))
    assert known.classes == (ANNA, BO, CY)
    assert meta["experiment"]["target"] == "subject"
    write_store(
        folder / "annotations.h5",
        "annotations",
        {"id": encode_ids([f"{i:04d}.png" for i in range(35)])},
        fingerprint="a" * 64,
    )
    config = EvaluateConfig(cams=("native",), faithfulness_images=0)
    places = {"metrics_path": Path("metrics/who.json"), "store_path": Path("evaluation/who.h5")}
    evaluate_experiment(config, dataset_dir=folder, model_dir=Path("models/who"), **places)
    metrics = json.loads(Path("metrics/who.json").read_text())
    assert metrics["n"] == 3
    assert 0 <= metrics["accuracy"] <= 1
    starts = []
    original = Trainer.fit

    def fit(self: Trainer, *arguments: Any) -> Any:
        starts.append({name: value.clone() for name, value in self.model.state_dict().items()})
        return original(self, *arguments)

    monkeypatch.setattr(Trainer, "fit", fit)
    second = experiment(base="who", guidance=[{"cue": "au"}])
    train_experiment("how", second, settings(), folder, Path("models/who"), Path("models/how"))
    fresh = create_model(MODEL, tuple(CENTRES), seed=0).state_dict()
    for name, value in starts[0].items():
        assert value.equal(fresh[name] if name.startswith("head.") else known.state_dict()[name])


def test_a_set_without_names_is_one_clear_line(make_dataset: Make) -> None:
    folder = make_dataset([Blob("anger"), Blob("neutral"), Blob("anger", "valid")])
    with pytest.raises(DataError, match=r"target subject: manifest\.csv names no subject of a training face"):
        train_experiment("who", experiment(target="subject"), settings(), folder, NONE, Path("models/who"))


def test_guidance_and_persons_exclude_each_other() -> None:
    data = {"dataset": "d", "target": "subject", "model": MODEL, "guidance": [{"cue": "au"}]}
    (fault,) = find_reference_faults({"datasets": {"d": {}}, "experiments": {"x": data}}, "x")
    assert str(fault) == "experiments.x: target subject takes no guidance, whose cues are expressions'"


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ((BO, ANNA), "persons must be distinct, sorted"),
        ((ANNA, ANNA), "persons must be distinct, sorted"),
        (("neutral", ANNA), "not be mixed with expressions"),
        ((ANNA,), "at least two"),
    ],
)
def test_classes_that_are_neither_persons_nor_expressions_are_refused(classes: tuple[str, ...], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        check_classes(classes)


def test_a_comma_in_a_name_is_refused(make_dataset: Make) -> None:
    folder = make_dataset([Blob("anger", subject="lee, ann"), Blob("neutral", subject="bo")])
    with pytest.raises(DataError, match="subject 'lee, ann': its name holds a comma"):
        FaceDataset(folder, "train", 32, target="subject")

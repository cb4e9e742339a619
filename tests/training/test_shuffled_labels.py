"""``train.labels: shuffled``: other labels for the same faces, everything else as it was."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_au.batches import FaceDataset
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.training.stage import _learnt, train_experiment

EXPERIMENT = ExperimentConfig.model_validate(
    {
        "dataset": "data",
        "seed": 3,
        "model": {"backbone": "test_resnet", "output_stride": 8},
        "guidance": [{"cue": "au"}],
    }
)
SETTINGS = {"epochs": 4, "batch_size": 16, "image_size": 32, "precision": "fp32", "optimizer": {"lr": 0.02}}


def test_labels_are_dealt_out_anew_by_the_seed_and_faces_keep_their_maps(dataset_dir: Path) -> None:
    faces = FaceDataset(dataset_dir, "train", 32)
    assert _learnt(faces, EXPERIMENT, TrainConfig()) is faces
    learnt = _learnt(faces, EXPERIMENT, TrainConfig(labels="shuffled"))
    assert Counter(learnt.labels.tolist()) == Counter(faces.labels.tolist())
    assert 0.1 < np.mean(learnt.labels == faces.labels) < 0.5  # four classes
    own, other = faces.batch(range(10)), learnt.batch(range(10))
    assert torch.equal(own.images, other.images)
    assert torch.equal(own.maps, other.maps)
    assert own.ids == other.ids
    again = _learnt(faces, EXPERIMENT.model_copy(update={"seed": 4}), TrainConfig(labels="shuffled"))
    assert again.labels.tolist() != learnt.labels.tolist()


def test_a_control_learns_nothing_and_keeps_its_last_epoch(
    dataset_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accuracies = {}
    for labels in ("given", "shuffled"):
        out = Path("models") / labels
        train = TrainConfig.model_validate({**SETTINGS, "labels": labels})
        train_experiment(labels, EXPERIMENT, train, dataset_dir, Path("models/none"), out)
        with (out / "history.csv").open() as file:
            accuracies[labels] = [float(row["valid_accuracy"]) for row in csv.DictReader(file)]
        config = json.loads((out / "config.json").read_text())
        assert config["selected_on"] == ("valid" if labels == "given" else "last epoch")
        if labels == "shuffled":
            assert config["selected_epoch"] == 3
    assert max(accuracies["given"]) >= max(accuracies["shuffled"]) + 0.2
    assert "epoch 4 of 4 is selected" in capsys.readouterr().err

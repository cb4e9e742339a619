"""Trainings with one key changed: settings, and the hash of what comes out of them."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import yaml

from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.training.origin import Origin
from fer_au.training.stage import train_experiment
from tests.effects.keys import digest, put

BASE: dict[str, Any] = {
    "train": {"epochs": 2, "batch_size": 4, "image_size": 32, "precision": "fp32"},
    "experiments": {
        "dataset": "blobs",
        "model": {"backbone": "test_resnet", "output_stride": 8},
        "guidance": [{"weight": 2.0}],
    },
}


def built(changes: dict[str, Any]) -> tuple[ExperimentConfig, TrainConfig]:
    """Build the settings with some changes; a part of a freeze is one whole."""
    settings = yaml.safe_load(yaml.safe_dump(BASE))
    if any(key.startswith("train.freeze[]") for key in changes):
        settings["train"]["freeze"] = [{"epochs": 1}]
    put(settings, changes)
    own = settings["experiments"].get("train", {})
    return (
        ExperimentConfig.model_validate(settings["experiments"]),
        TrainConfig.model_validate({**settings["train"], **own}),
    )


def result(changes: dict[str, Any]) -> tuple[str, str]:
    """Train with some changes: the hash of what comes out, and the identity that decides whether it is done again."""
    return _result(*(part.model_dump_json() for part in built(changes)))


@cache
def _result(*settings: str) -> tuple[str, str]:
    """Train with settings, once: many keys are compared with the same ones, those of ``BASE``."""
    experiment = ExperimentConfig.model_validate_json(settings[0])
    train = TrainConfig.model_validate_json(settings[1])
    identities = []
    with pytest.MonkeyPatch.context() as patch:
        identity = Origin.identity
        patch.setattr(Origin, "identity", lambda self: identities.append(identity(self)) or identities[-1])
        train_experiment("toy", experiment, train, Path("data/blobs"), Path("models/none"), Path("models/toy"))
    tensors = safetensors.torch.load_file("models/toy/model.safetensors")
    with Path("models/toy/history.csv").open() as file:
        history = [{**row, "images_per_second": ""} for row in csv.DictReader(file)]
    group = json.loads(Path("models/toy/config.json").read_text())["experiment"]["group"]
    return digest(sorted(tensors.items()), history, group), json.dumps(identities[0], sort_keys=True, default=str)

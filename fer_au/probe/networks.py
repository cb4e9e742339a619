"""The network of an experiment, to be probed: as it was trained, or as it stood before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.errors import DataError
from fer_au.models.config_file import CONFIG
from fer_au.models.files import load_model
from fer_au.models.network import FerModel
from fer_au.models.trained import Training, check_training, check_training_data
from fer_au.training.start import start_network

_MODELS, _DATA = Path("models"), Path("data")


@dataclass(frozen=True)
class ProbedNetwork:
    """A network with what is needed to show it faces.

    Attributes:
        name: Name of the experiment.
        trained: Whether it is trained.
        weights: What its weights are, in words.
        experiment: Entry of the experiment.
        model: The network.
        preprocess: Its preprocessing.
        weights_sha256: sha256 of the trained model's weights; empty before the training.
    """

    name: str
    trained: bool
    weights: str
    experiment: ExperimentConfig
    model: FerModel
    preprocess: Preprocessing
    weights_sha256: str = ""

    @property
    def title(self) -> str:
        """Name for tables and figures."""
        return self.name if self.trained else f"{self.name} (untrained)"

    @property
    def data(self) -> Path:
        """Folder of the experiment's data set."""
        return _DATA / self.experiment.dataset


def open_network(
    name: str, experiment: ExperimentConfig, train: TrainConfig, base: Training | None, *, trained: bool
) -> ProbedNetwork:
    """Load the network of an experiment onto the device that trains it.

    Args:
        name: Name of the experiment.
        experiment: Its entry.
        train: Its training settings.
        base: Settings of the experiment that it starts from; None if it starts from none.
        trained: Whether the trained model is meant, or the network before its training.

    Raises:
        ConfigError: A part of the network can't be made.
        MissingDependencyError: Pretrained weights are not installed.
        DataError: There is no model yet, or it was trained with other settings or data; the message says what to run.
    """
    folder = _MODELS / (name if trained else experiment.base)
    if (trained or experiment.base != "none") and not (folder / CONFIG).exists():
        why = "" if trained else f", from which {name} starts,"
        raise DataError(f"{folder}{why} is not trained yet; run `dvc repro train@{folder.name}`")
    network = _load(name, experiment, train) if trained else _start(name, experiment, train, base)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.model.to(device).to(memory_format=torch.channels_last)
    return network


def _load(name: str, experiment: ExperimentConfig, train: TrainConfig) -> ProbedNetwork:
    folder = _MODELS / name
    model, meta = load_model(folder, trust=experiment.model.code)
    check_training(folder, meta, Training(name, experiment, train))
    data = _DATA / experiment.dataset
    check_training_data(folder, meta, name, data, FaceDataset(data, "train").content_hashes())
    recorded = meta.get("preprocessing")
    if not isinstance(recorded, dict):
        raise DataError(f"{folder / CONFIG}: 'preprocessing' is missing; was it written by the train stage?")
    preprocess = Preprocessing.from_meta(recorded)
    return ProbedNetwork(name, True, "trained", experiment, model, preprocess, str(meta["weights_sha256"]))


def _start(name: str, experiment: ExperimentConfig, train: TrainConfig, base: Training | None) -> ProbedNetwork:
    faces = FaceDataset(_DATA / experiment.dataset, "train", fold=experiment.fold, target=experiment.target)
    start = start_network(experiment, train.image_size, faces.classes, _MODELS / experiment.base, base)
    weights = f"fresh, seed {experiment.seed}"
    if start.pretrained is not None:
        weights = start.pretrained.origin
    elif start.base is not None:
        weights = f"those of {experiment.base}"
    return ProbedNetwork(name, False, weights, experiment, start.model, start.preprocessing)

"""Look how far a project's work is: data sets stage by stage, experiments epoch by epoch. Files are read, none written.

Whether a file still fits what it was made of is a question to ``dvc status``; of results, ``Trail`` answers it here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fer_au.config.entries import build_experiment
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.config.external import UNTRAINED
from fer_au.config.reading import PARAMS, read_params
from fer_au.datasets.manifest import read_manifest
from fer_au.errors import DataError
from fer_au.models.config_file import CONFIG, HISTORY
from fer_au.rejects import REJECT_STAGES, read_rejects
from fer_au.results.experiment import ExperimentResult
from fer_au.results.reading import Entry, read_results
from fer_au.stores.locks import is_locked
from fer_au.training.history import read_history

StageState = Literal["done", "running", "to do"]
State = Literal["to do", "training", "stopped", "trained", "evaluated", "outdated", "damaged"]

OUTPUTS = {"ingest": "manifest.csv", "align": "faces.h5", "landmarks": "landmarks.h5", "heatmaps": "heatmaps.h5"}
"""Stage of a data set -> the file below ``data/NAME`` that it ends with."""


@dataclass(frozen=True)
class DatasetStatus:
    """How far a data set is.

    Attributes:
        name: Key of ``datasets``.
        stages: Stage -> whether its output is there, or somebody makes it now.
        faces: Number of faces of each split; empty before ``ingest``.
        rejects: Stage -> number of its rejects, of the stages that have run.
        fault: What can't be read; empty if nothing is wrong.
    """

    name: str
    stages: Mapping[str, StageState]
    faces: Mapping[str, int]
    rejects: Mapping[str, int]
    fault: str = ""


@dataclass(frozen=True)
class ExperimentStatus:
    """How far an experiment is.

    Attributes:
        name: Key of ``experiments``, or of ``cross``.
        dataset: Data set that it learns, or that is scored.
        state: Its state.
        epoch: Epochs done; None before the first one, and of entries of ``cross``.
        epochs: Epochs in all; None of entries of ``cross``, and of models that are measured as they are.
        best: Best accuracy of an epoch on the split that selects; None before the first epoch.
        seconds_left: Time that the other epochs will take at the speed of the last one; None unless it is training.
        accuracy: Accuracy on the scored split; None unless it is evaluated.
        detail: What is wrong, what has changed since, or what it waits for; empty for nothing.
    """

    name: str
    dataset: str
    state: State
    epoch: int | None = None
    epochs: int | None = None
    best: float | None = None
    seconds_left: float | None = None
    accuracy: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class ProjectStatus:
    """How far a project is: its data sets, its experiments, and their models on other data sets."""

    datasets: Sequence[DatasetStatus]
    experiments: Sequence[ExperimentStatus]
    cross: Sequence[ExperimentStatus]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def read_status(params_path: Path = PARAMS, root: Path = Path()) -> ProjectStatus:
    """Read the state of everything that ``params.yaml`` names.

    Raises:
        ConfigError: ``params.yaml`` is wrong.
    """
    params = read_params(params_path)
    datasets = {name: _read_dataset(name, root / "data" / name) for name in params.get("datasets") or {}}
    if not params.get("experiments"):
        return ProjectStatus(list(datasets.values()), [], [])
    found = read_results(params_path, root)
    built = {one.name: build_experiment(params, one.name, params_path) for one in found.experiments}
    experiments = [_read_experiment(one, *built[one.name], root, datasets) for one in found.experiments]
    trained = {one.name for one in experiments if one.state in ("trained", "evaluated", "outdated")}
    return ProjectStatus(
        list(datasets.values()), experiments, [_read_cross(one, params, trained) for one in found.cross]
    )


def _read_dataset(name: str, folder: Path) -> DatasetStatus:
    stages = {stage: _stage_state(folder / output) for stage, output in OUTPUTS.items()}
    faces: Counter[str] = Counter()
    rejects: dict[str, int] = {}
    try:
        if stages["ingest"] == "done":
            faces.update(row.split for row in read_manifest(folder / "manifest.csv"))
        for stage in REJECT_STAGES:
            table = folder / "rejects" / f"{stage}.csv"
            if table.exists():
                rejects[stage] = len(read_rejects(table))
    except DataError as error:
        return DatasetStatus(name, stages, dict(faces), rejects, str(error))
    return DatasetStatus(name, stages, {split: faces[split] for split in ("train", "valid", "test")}, rejects)


def _stage_state(output: Path) -> StageState:
    if is_locked(output):
        return "running"
    return "done" if output.exists() else "to do"


def _read_experiment(
    entry: Entry,
    experiment: ExperimentConfig,
    train: TrainConfig,
    root: Path,
    datasets: Mapping[str, DatasetStatus],
) -> ExperimentStatus:
    folder = root / "models" / entry.name
    known: dict[str, Any] = {"epochs": None if experiment.train == UNTRAINED else train.epochs}
    try:
        history = read_history(folder / HISTORY) if (folder / HISTORY).exists() else {}
    except DataError as error:
        return ExperimentStatus(entry.name, entry.dataset, "damaged", detail=str(error), **known)
    if accuracies := history.get("valid_accuracy"):
        known |= {"epoch": len(accuracies), "best": max(accuracies)}
    state, detail = _training_state(folder, bool(history))
    if state == "training" and history:
        faces = datasets[entry.dataset].faces.get("train", 0) if entry.dataset in datasets else 0
        known["seconds_left"] = _seconds_left(history, train, faces)
    if state == "to do" and experiment.base != "none" and not (root / "models" / experiment.base / CONFIG).exists():
        detail = f"after its base {experiment.base}"
    if entry.fault:
        state, detail = "damaged", entry.fault
    elif entry.result and state == "trained":
        state, detail = ("outdated", entry.change.text()) if entry.change else ("evaluated", "")
        known["accuracy"] = _accuracy(entry.result)
    return ExperimentStatus(entry.name, entry.dataset, state, detail=detail, **known)


def _training_state(folder: Path, begun: bool) -> tuple[State, str]:
    if is_locked(folder):
        return "training", ""
    if (folder / CONFIG).exists():
        return "trained", ""
    return ("stopped", "`dvc repro` goes on from there") if begun else ("to do", "")


def _seconds_left(history: Mapping[str, list[float]], train: TrainConfig, faces: int) -> float | None:
    """Estimate the time of the epochs to come from the training images per second of the last one."""
    speed = history.get("images_per_second", [0.0])[-1]
    left = train.epochs - len(history["valid_accuracy"])
    return left * faces * train.fraction / speed if speed > 0 and faces else None


def _read_cross(entry: Entry, params: Mapping[str, Any], trained: set[str]) -> ExperimentStatus:
    if entry.fault:
        return ExperimentStatus(entry.name, entry.dataset, "damaged", detail=entry.fault)
    if entry.result is None:
        experiment = str(params["cross"][entry.name].get("experiment", ""))
        detail = "" if experiment in trained else f"after {experiment}"
        return ExperimentStatus(entry.name, entry.dataset, "to do", detail=detail)
    state: State = "outdated" if entry.change else "evaluated"
    detail = entry.change.text() if entry.change else ""
    return ExperimentStatus(entry.name, entry.dataset, state, accuracy=_accuracy(entry.result), detail=detail)


def _accuracy(result: ExperimentResult) -> float | None:
    """Read the accuracy; None where there is none, as of models that know persons."""
    accuracy = result.number("accuracy")
    return None if math.isnan(accuracy) else accuracy

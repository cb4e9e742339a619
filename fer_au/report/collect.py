"""Read everything that the page shows: the experiments of ``params.yaml``, their results, and their data sets."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fer_au.config.entries import load_experiment
from fer_au.config.experiments import CrossConfig
from fer_au.config.reading import load_entry, read_params
from fer_au.datasets import ManifestRow, read_manifest
from fer_au.errors import DataError
from fer_au.landmarks.benchmark_results import RESULTS, LandmarkResults, read_results
from fer_au.rejects import Reject, read_rejects
from fer_au.results.experiment import CrossResult, ExperimentResult, experiment_names, read_cross, read_experiment
from fer_au.stores import Store

REJECT_STAGES = ("ingest", "align", "landmarks")


@dataclass(frozen=True)
class Experiment(ExperimentResult):
    """One experiment's configuration, results and training.

    Attributes:
        history: Column of ``history.csv`` -> one value per epoch, NaN where empty.
        model: Content of ``models/<name>/config.json``.
    """

    history: dict[str, list[float]]
    model: dict[str, Any]

    @cached_property
    def layers(self) -> list[str]:
        """Layers whose attention was kept, in network order."""
        names = [name.removeprefix("attention/") for name in self.results.columns if name.startswith("attention/")]
        return sorted(names, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))

    @cached_property
    def cams(self) -> list[str]:
        """CAM methods that were computed; empty if none was."""
        return [name.removeprefix("cam/") for name in self.results.columns if name.startswith("cam/")]


@dataclass(frozen=True)
class Dataset:
    """Tables and stores of one data set."""

    name: str
    manifest: list[ManifestRow]
    faces: Store
    landmarks: Store
    heatmaps: Store
    rejects: dict[str, list[Reject]]


@dataclass(frozen=True)
class Project:
    """Everything that the page is made of.

    Attributes:
        params: Content of ``params.yaml``.
        experiments: Experiments that ``params.yaml`` names.
        cross: Scores of their models on other data sets.
        datasets: Data sets that the experiments use, by name.
        landmark_results: Results of the landmark benchmark; None if it was not run.
    """

    params: dict[str, Any]
    experiments: list[Experiment]
    cross: list[CrossResult]
    datasets: dict[str, Dataset]
    landmark_results: LandmarkResults | None

    def of_dataset(self, name: str) -> list[Experiment]:
        """List the experiments on one data set, in the order of ``params.yaml``."""
        return [experiment for experiment in self.experiments if experiment.config.dataset == name]


def read_project(params_path: Path, root: Path) -> Project:
    """Read the experiments that ``params_path`` names, from the project folder ``root``; those on persons are left out.

    Raises:
        ConfigError: ``params.yaml`` is wrong.
        DataError: A file is missing, damaged, or doesn't fit the others; the message names it.
    """
    params = read_params(params_path)
    names = experiment_names(params, params_path)
    experiments = [_read_experiment(name, params_path, root) for name in names]
    datasets = {
        dataset: read_dataset(dataset, root) for dataset in dict.fromkeys(one.config.dataset for one in experiments)
    }
    for experiment in experiments:
        _check_rows(experiment, datasets[experiment.config.dataset])
    cross = [
        read_cross(name, load_entry("cross", name, CrossConfig, params_path), root)
        for name in params.get("cross") or {}
    ]
    return Project(params, experiments, cross, datasets, read_results(root / RESULTS))


def _read_experiment(name: str, params_path: Path, root: Path) -> Experiment:
    config, _ = load_experiment(name, params_path)
    result, folder = read_experiment(name, config, root), root / "models" / name
    history, model = read_history(folder / "history.csv"), _read_json(folder / "config.json")
    return Experiment(**vars(result), history=history, model=model)


def read_dataset(name: str, root: Path) -> Dataset:
    """Read one data set's manifest, stores and reject tables; a stage without rejects table counts as missing."""
    folder = root / "data" / name
    return Dataset(
        name,
        read_manifest(folder / "manifest.csv"),
        Store.open(folder / "faces.h5", "faces"),
        Store.open(folder / "landmarks.h5", "landmarks"),
        Store.open(folder / "heatmaps.h5", "heatmaps"),
        {stage: read_rejects(folder / "rejects" / f"{stage}.csv") for stage in REJECT_STAGES},
    )


def read_history(path: Path) -> dict[str, list[float]]:
    """Read ``history.csv``: one row per epoch, numeric columns.

    Raises:
        DataError: The file is missing, or a cell is not a number.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    columns = list(rows[0]) if rows else []
    try:
        return {name: [_cell(row[name]) for row in rows] for name in columns}
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def _cell(text: str | None) -> float:
    if text is None:
        raise ValueError("a row is shorter than the header")
    return float(text) if text else math.nan


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a JSON object")
    return content


def _check_rows(experiment: Experiment, dataset: Dataset) -> None:
    unknown = next((id_ for id_ in experiment.results.ids if id_ not in dataset.faces.index), None)
    if unknown is not None:
        raise DataError(f"{experiment.results.path}: image {unknown!r} is not in {dataset.faces.path}")

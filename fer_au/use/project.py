"""A project for notebooks: its data sets, experiments and results as objects, and as tables where pandas is there.

Nothing is computed and nothing written. A file is read whenever it is asked for, so that an open notebook sees what a
later ``dvc repro`` has made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fer_au.arguments import choose, read_path
from fer_au.batches.samples import FaceSamples, open_faces
from fer_au.config.entries import build_experiment, load_cross
from fer_au.config.experiments import CrossConfig, ExperimentConfig, TrainConfig
from fer_au.config.reading import PARAMS, read_params
from fer_au.data_frames import make_frame
from fer_au.datasets.manifest import ManifestRow, read_manifest
from fer_au.models.config_file import HISTORY
from fer_au.predictor import Predictor
from fer_au.rejects import REJECT_STAGES, Reject, read_rejects
from fer_au.results.experiment import CrossResult, ExperimentResult, read_cross, read_experiment
from fer_au.results.status import OUTPUTS, ProjectStatus, read_status
from fer_au.stores.reader import Store
from fer_au.training.history import read_history

if TYPE_CHECKING:
    import pandas

_SCORE = "score/"
_STORES = {"annotations": "annotations.h5", "faces": OUTPUTS["align"]} | {
    stage: OUTPUTS[stage] for stage in ("landmarks", "heatmaps")
}
"""Kind of a data set's store -> its file."""


@dataclass(frozen=True)
class ProjectDataset:
    """One data set of a project.

    Attributes:
        name: Key of ``datasets``.
        folder: Folder ``data/NAME``.
    """

    name: str
    folder: Path

    def manifest(self) -> list[ManifestRow]:
        """Read the accepted faces; raises ``DataError`` before ``ingest``, or where the file is damaged."""
        return read_manifest(self.folder / "manifest.csv")

    def rejects(self) -> dict[str, list[Reject]]:
        """Read what was rejected, by stage, of those that have run; raises ``DataError`` where a table is damaged."""
        tables = {stage: self.folder / "rejects" / f"{stage}.csv" for stage in REJECT_STAGES}
        return {stage: read_rejects(table) for stage, table in tables.items() if table.exists()}

    def store(self, kind: Literal["annotations", "faces", "landmarks", "heatmaps"]) -> Store:
        """Open a store of the data set.

        Raises:
            ArgumentError: There is no such kind; the message lists near names.
            StoreError: The stage that makes it has not run, or the file is damaged.
        """
        kind = choose("kind", kind, tuple(_STORES))  # type: ignore[assignment]
        return Store.open(self.folder / _STORES[kind], kind)

    def faces(
        self, split: Literal["train", "valid", "test"] = "train", *, maps: str = "au", image_size: int | None = None
    ) -> FaceSamples:
        """Open faces as a torch ``Dataset``: arguments, result and errors of ``fer_au.datasets.open_faces``."""
        return open_faces(self.folder, split, maps=maps, image_size=image_size)

    def to_frame(self) -> pandas.DataFrame:
        """Make a pandas table of the manifest: one row per face, the columns of ``ManifestRow``.

        Raises:
            MissingDependencyError: pandas is not installed.
            DataError: As ``manifest``.
        """
        names = [field.name for field in fields(ManifestRow)]
        rows = self.manifest()
        return make_frame({name: [getattr(row, name) for row in rows] for name in names}, "to_frame()")


@dataclass(frozen=True)
class ProjectExperiment:
    """One experiment of a project.

    Attributes:
        name: Key of ``experiments``.
        entry: Its entry of ``params.yaml``.
        train: Its training settings, its own overrides included.
        root: Folder of the project.
    """

    name: str
    entry: ExperimentConfig
    train: TrainConfig
    root: Path

    @property
    def folder(self) -> Path:
        """Folder ``models/NAME``."""
        return self.root / "models" / self.name

    @property
    def metrics_path(self) -> Path:
        """File of the headline metrics, which is there once the experiment is evaluated."""
        return self.root / "metrics" / f"{self.name}.json"

    def history(self) -> dict[str, list[float]]:
        """Read the training curves, also while the training runs: column of ``history.csv`` -> one value per epoch.

        Raises:
            DataError: There is none yet, or the file is damaged.
        """
        return read_history(self.folder / HISTORY)

    def result(self) -> ExperimentResult:
        """Read the metrics, and the answers to single images; raises ``DataError`` before ``evaluate``."""
        return read_experiment(self.name, self.entry, self.root)

    def predictor(self) -> Predictor:
        """Load the trained model with its preprocessing; errors of ``Predictor.load``."""
        return Predictor.load(self.folder)

    def to_frame(self) -> pandas.DataFrame:
        """Make a pandas table of the evaluated images.

        Returns:
            One row per image: ``id``, ``true``, ``predicted``, ``confidence``, ``probability.<class>``, and the scores
            of its maps under the names of their metrics, NaN where undefined.

        Raises:
            MissingDependencyError: pandas is not installed.
            DataError: As ``result``.
        """
        return _image_frame(self.result())


@dataclass(frozen=True)
class ProjectCross:
    """An experiment's model on another data set.

    Attributes:
        name: Key of ``cross``.
        entry: Its entry of ``params.yaml``.
        experiment: The experiment whose model it is.
        root: Folder of the project.
    """

    name: str
    entry: CrossConfig
    experiment: ProjectExperiment
    root: Path

    @property
    def metrics_path(self) -> Path:
        """File of the headline metrics, which is there once the model is scored."""
        return self.root / "metrics" / "cross" / f"{self.name}.json"

    def result(self) -> CrossResult:
        """Read the metrics, and the answers to single images; raises ``DataError`` before stage ``cross``."""
        return read_cross(self.name, self.entry, self.experiment.entry, self.root)

    def to_frame(self) -> pandas.DataFrame:
        """Make a pandas table of the images of the other data set; columns and errors of ``ProjectExperiment``."""
        return _image_frame(self.result())


@dataclass(frozen=True)
class Project:
    """A project: the folder of a ``params.yaml``, and what its stages have made.

    Attributes:
        root: Folder of the project.
        params: Content of ``params.yaml``.
        datasets: Name -> data set, as ``params.yaml`` has them.
        experiments: Name -> experiment.
        cross: Name -> model on another data set.
    """

    root: Path
    params: Mapping[str, Any]
    datasets: Mapping[str, ProjectDataset]
    experiments: Mapping[str, ProjectExperiment]
    cross: Mapping[str, ProjectCross]

    def status(self) -> ProjectStatus:
        """Look how far everything is now, as ``fer-au status`` shows it.

        Raises:
            ConfigError: ``params.yaml`` is wrong by now.
        """
        return read_status(self.root / PARAMS, self.root)

    def to_frame(self) -> pandas.DataFrame:
        """Make a pandas table of all results.

        Returns:
            One row per evaluated experiment and model on another data set: ``name``, ``dataset``, ``group``, ``seed``
            and all metrics by their keys; a metric that a row doesn't have is NaN.

        Raises:
            MissingDependencyError: pandas is not installed.
            DataError: A result is damaged.
        """
        scored: list[ProjectExperiment | ProjectCross] = [*self.experiments.values(), *self.cross.values()]
        rows = [_row(one.result()) for one in scored if one.metrics_path.exists()]
        names = dict.fromkeys(name for row in rows for name in row)
        return make_frame({name: [row.get(name, np.nan) for row in rows] for name in names}, "to_frame()")


def open_project(folder: Path | str = ".") -> Project:
    """Open a project for a notebook or a script.

    Args:
        folder: Folder with ``params.yaml``; what stages have made lies in ``data``, ``models``, ``metrics`` and
            ``evaluation`` beside it.

    Raises:
        ConfigError: ``params.yaml`` is missing or wrong.

    Example:
        ::

            project = fer_au.open_project(".")
            project.to_frame()[["name", "accuracy", "att_ccos"]]
            wrong = project.experiments["au"].to_frame().query("true != predicted")
            faces = project.datasets["demo"].faces("test")
    """
    root = read_path("folder", folder)
    path = root / PARAMS
    params = read_params(path)
    datasets = {name: ProjectDataset(name, root / "data" / name) for name in params.get("datasets") or {}}
    experiments = {
        name: ProjectExperiment(name, *build_experiment(params, name, path), root)
        for name in params.get("experiments") or {}
    }
    entries = {name: load_cross(name, path) for name in params.get("cross") or {}}
    cross = {name: ProjectCross(name, entry, experiments[entry.experiment], root) for name, entry in entries.items()}
    return Project(root, params, datasets, experiments, cross)


def _row(result: ExperimentResult) -> dict[str, Any]:
    """Gather the figures of an evaluation, what they are of in front."""
    head = {"name": result.name, "dataset": result.dataset, "group": result.config.group, "seed": result.config.seed}
    return {**head, **{key: value for key, value in result.metrics.items() if key not in head}}


def _image_frame(result: ExperimentResult) -> pandas.DataFrame:
    """Make the table of an evaluation's single images."""
    probabilities = result.results["probabilities"]
    columns: dict[str, object] = {
        "id": [name.decode() for name in result.results["id"].tolist()],
        "true": result.labels,
        "predicted": result.predictions,
        "confidence": np.max(probabilities, axis=1),
        **{f"probability.{name}": probabilities[:, place] for place, name in enumerate(result.classes)},
    }
    scores = sorted(name for name in result.results.columns if name.startswith(_SCORE))
    columns |= {name.removeprefix(_SCORE): result.results[name] for name in scores}
    return make_frame(columns, "to_frame()")

"""Read everything that the page shows: the experiments of ``params.yaml``, their results, and their data sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fer_au.config.entries import load_cross, load_experiment
from fer_au.config.published import Published, published_path, read_published
from fer_au.config.reading import read_params
from fer_au.datasets import ManifestRow, read_manifest
from fer_au.datasets.joined import check_joined
from fer_au.datasets.leaks import LEAKS, LeakRow, read_leaks
from fer_au.errors import DataError
from fer_au.evaluation.metrics_file import Metric, read_interval, read_number
from fer_au.fingerprints import file_digest
from fer_au.landmarks.benchmark_results import RESULTS, LandmarkResults, read_results
from fer_au.measure.results import ExternalResult, read_external
from fer_au.models.config_file import CONFIG, HISTORY, check_file, read_config
from fer_au.rejects import REJECT_STAGES, Reject, read_rejects
from fer_au.results.changes import NO_CHANGE, Change, Trail
from fer_au.results.experiment import CrossResult, ExperimentResult, choose_experiments, read_cross, read_experiment
from fer_au.results.sweeps import Sweep, find_sweeps
from fer_au.stores import Store
from fer_au.stores.reader import check_table
from fer_au.stores.sources import check_sources
from fer_au.training.history import read_history


@dataclass(frozen=True)
class MapSource:
    """One kind of maps of an experiment: attention of a layer, the head's own map, or a CAM.

    Attributes:
        title: Name for readers.
        column: Column of the evaluation store that holds the maps.
        metric: Template of the metrics about them, with ``{}`` in place of the score.
        place: Template of their shares on regions, with ``{}`` in place of the region.
        truth: Name in the metrics ``truth.<map>.*``.
    """

    title: str
    column: str
    metric: str
    place: str
    truth: str


@dataclass(frozen=True)
class Estimate:
    """A score with the ends of its 95 % interval; NaN where undefined."""

    value: float
    low: float = math.nan
    high: float = math.nan


def read_estimate(metrics: Mapping[str, Metric], key: str) -> Estimate:
    """Read a metric with its 95 % interval from what ``read_metrics`` gives."""
    return Estimate(read_number(metrics, key), *read_interval(metrics, key))


@dataclass(frozen=True)
class MappedResult(ExperimentResult):
    """Configuration and results of one experiment, with its kinds of maps by name."""

    @cached_property
    def cams(self) -> list[str]:
        """CAM methods that were computed; empty if none was."""
        return [name.removeprefix("cam/") for name in self.results.columns if name.startswith("cam/")]

    @cached_property
    def attention(self) -> list[MapSource]:
        """Attention of each kept layer, in network order."""
        names = [(layer, f"layer.{layer}") for layer in self.layers]
        return [
            MapSource(f"layer {layer}", f"attention/{layer}", f"{name}.att_{{}}", f"{name}.region.{{}}", name)
            for layer, name in names
        ]

    @cached_property
    def module(self) -> MapSource | None:
        """Attention map that the head makes itself; None if it makes none."""
        if "module" not in self.results.columns:
            return None
        return MapSource("head’s own map", "module", "module.att_{}", "module.region.{}", "module")

    @cached_property
    def cam_maps(self) -> list[MapSource]:
        """CAMs, as ``cams``."""
        return [
            MapSource(f"CAM: {cam}", f"cam/{cam}", f"cam_{{}}.{cam}", f"cam_region.{{}}.{cam}", f"cam.{cam}")
            for cam in self.cams
        ]

    @property
    def maps(self) -> list[MapSource]:
        """All kinds of maps: layers, the head's own map, CAMs."""
        return [*self.attention, *([self.module] if self.module else []), *self.cam_maps]

    def estimate(self, key: str) -> Estimate:
        """Read a metric with its interval."""
        return read_estimate(self.metrics, key)


@dataclass(frozen=True)
class Experiment(MappedResult):
    """One experiment's configuration, results and training.

    Attributes:
        history: Column of ``history.csv`` -> one value per epoch, NaN where empty.
        model: Content of ``models/<name>/config.json``.
        change: What has changed since the evaluation; nothing, where DVC runs the report.
    """

    history: dict[str, list[float]]
    model: dict[str, Any]
    change: Change = NO_CHANGE

    @property
    def epochs(self) -> list[float]:
        """Number of each epoch of the history, counted from 1, as the log does; the file counts from 0."""
        found = self.history.get("epoch") or range(max(map(len, self.history.values()), default=0))
        return [float(epoch) + 1 for epoch in found]

    @property
    def best_epoch(self) -> float | None:
        """Number of the epoch whose weights were kept, counted from 1; None where none was chosen."""
        chosen = self.model.get("selected_epoch")
        return float(chosen) + 1 if isinstance(chosen, int) else None


@dataclass(frozen=True)
class Dataset:
    """Tables and stores of one data set."""

    name: str
    manifest: list[ManifestRow]
    faces: Store
    landmarks: Store
    heatmaps: Store
    rejects: dict[str, list[Reject]]
    leaks: list[LeakRow]

    def content_hashes(self) -> dict[str, str]:
        """Return the hashes that identify the data, as ``FaceDataset.content_hashes`` does."""
        stores = (self.faces, self.landmarks, self.heatmaps)
        hashes = {store.path.name: store.content_sha256 for store in stores}
        return {"manifest.csv": file_digest(self.faces.path.with_name("manifest.csv")), **hashes}


@dataclass(frozen=True)
class Project:
    """Everything that the page is made of.

    Attributes:
        root: Folder of the project.
        params: Content of ``params.yaml``.
        experiments: Experiments that ``params.yaml`` names.
        cross: Scores of their models on other data sets.
        cross_changes: Entry of ``cross`` -> what has changed since its evaluation.
        datasets: Data sets that the experiments use, by name.
        landmark_results: Results of the landmark benchmark; None if it was not run.
        published: Published numbers to compare with; None if there is no file of them beside ``params.yaml``.
        external: Scores of maps that were made elsewhere, of the data sets above.
        sweeps: Sweeps among the experiments.
    """

    root: Path
    params: dict[str, Any]
    experiments: list[Experiment]
    cross: list[CrossResult]
    cross_changes: dict[str, Change]
    datasets: dict[str, Dataset]
    landmark_results: LandmarkResults | None
    published: Published | None = None
    external: list[ExternalResult] = field(default_factory=list)
    sweeps: list[Sweep] = field(default_factory=list)

    def of_dataset(self, name: str) -> list[Experiment]:
        """List the experiments on one data set, in the order of ``params.yaml``."""
        return [experiment for experiment in self.experiments if experiment.config.dataset == name]


def read_project(params_path: Path, root: Path, chosen: Sequence[str] | None = None) -> Project:
    """Read the experiments that ``params_path`` names; those on persons are left out.

    Args:
        params_path: Path of ``params.yaml``.
        root: Project folder.
        chosen: Names of experiments and groups; default all.

    Raises:
        ConfigError: ``params.yaml`` is wrong, or has no such experiment.
        DataError: A file is missing, damaged, or doesn't fit the others; the message names it.
    """
    params = read_params(params_path)
    names = choose_experiments(params, params_path, chosen)
    trail = Trail(params, root)
    experiments = [_read_experiment(name, params_path, root, trail) for name in names]
    datasets = {
        dataset: read_dataset(dataset, root) for dataset in dict.fromkeys(one.config.dataset for one in experiments)
    }
    for experiment in experiments:
        _check_rows(experiment, datasets[experiment.config.dataset])
    own = {one.name: one for one in experiments}
    entries = {name: load_cross(name, params_path) for name in params.get("cross") or {}}
    cross = [
        read_cross(name, entry, shown.config, root, str(shown.model["weights_sha256"]))
        for name, entry in entries.items()
        if (shown := own.get(entry.experiment)) is not None
    ]
    changes = {one.name: trail.cross(one.name) for one in cross}
    beside = published_path(params_path)
    published = read_published(beside) if beside.is_file() else None
    external = [one for one in read_external(root) if one.dataset in datasets]
    sweeps = find_sweeps(params, params_path, experiments)
    results = read_results(root / RESULTS)
    return Project(root, params, experiments, cross, changes, datasets, results, published, external, sweeps)


def _read_experiment(name: str, params_path: Path, root: Path, trail: Trail) -> Experiment:
    config, _ = load_experiment(name, params_path)
    folder = root / "models" / name
    if not (folder / CONFIG).exists():
        raise DataError(
            f"{folder / CONFIG}: is missing: experiment {name!r} isn't trained yet; run `dvc repro`, or name those "
            "that are evaluated by `fer-au report --experiments`"
        )
    model = read_config(folder)
    result = read_experiment(name, config, root, model["weights_sha256"])
    check_file(folder, model, HISTORY)
    history = read_history(folder / HISTORY)
    return Experiment(**vars(result), history=history, model=model, change=trail.experiment(name))


def read_dataset(name: str, root: Path) -> Dataset:
    """Read one data set's manifest, stores and reject tables; a stage without rejects table counts as missing."""
    folder = root / "data" / name
    for stage in REJECT_STAGES:
        check_table(folder, f"rejects/{stage}.csv")
    rejects = {stage: read_rejects(folder / "rejects" / f"{stage}.csv") for stage in REJECT_STAGES}
    faces, landmarks, heatmaps = (
        Store.open(folder / f"{kind}.h5", kind) for kind in ("faces", "landmarks", "heatmaps")
    )
    check_table(folder, f"rejects/{LEAKS}")
    leaks = read_leaks(folder / "rejects" / LEAKS)
    manifest = read_manifest(folder / "manifest.csv")
    check_joined(manifest, faces, landmarks, heatmaps)
    return Dataset(name, manifest, faces, landmarks, heatmaps, rejects, leaks)


def _check_rows(experiment: Experiment, dataset: Dataset) -> None:
    now = {store.path.name: store.content_sha256 for store in (dataset.faces, dataset.landmarks, dataset.heatmaps)}
    check_sources(experiment.results, now, dataset.faces.path.parent)
    unknown = next((id_ for id_ in experiment.results.ids if id_ not in dataset.faces.index), None)
    if unknown is not None:
        raise DataError(f"{experiment.results.path}: image {unknown!r} is not in {dataset.faces.path}")

"""Read the results that ``evaluate`` and ``cross`` wrote for the entries of ``params.yaml``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.classification import confusion_matrix
from fer_au.config.experiments import CrossConfig, ExperimentConfig
from fer_au.errors import ConfigError, DataError, StoreError
from fer_au.evaluation.bootstrap import bootstrap_macro, bootstrap_recall, bootstrap_share
from fer_au.evaluation.metrics_file import Metric, read_interval, read_metrics, read_number
from fer_au.registry import near_names
from fer_au.stores.reader import Store


@dataclass(frozen=True)
class ExperimentResult:
    """Configuration and results of one experiment.

    Attributes:
        name: Key in ``params.yaml``.
        config: Validated entry of ``params.yaml``.
        metrics: All metrics, of ``metrics/<name>.json`` and its detail file.
        results: Answers to the single images, store ``evaluation/<name>.h5``.
        classes: Classes of the model, in its order.
    """

    name: str
    config: ExperimentConfig
    metrics: dict[str, Metric]
    results: Store
    classes: tuple[str, ...]

    @property
    def dataset(self) -> str:
        """Data set whose images were scored."""
        return self.config.dataset

    @cached_property
    def layers(self) -> list[str]:
        """Layers whose attention was kept, in network order."""
        names = [name.removeprefix("attention/") for name in self.results.columns if name.startswith("attention/")]
        return sorted(names, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))

    @cached_property
    def labels(self) -> list[str]:
        """True label of each evaluated image."""
        return [label.decode() for label in self.results["label"].tolist()]

    @cached_property
    def untested(self) -> list[str]:
        """Classes of the model that no evaluated image is of, in its order."""
        seen = set(self.labels)
        return [name for name in self.classes if name not in seen]

    @cached_property
    def predictions(self) -> list[str]:
        """Predicted label of each evaluated image."""
        return [self.classes[index] for index in self.results["probabilities"].argmax(axis=1).tolist()]

    @cached_property
    def correct(self) -> NDArray[np.float64]:
        """(N,) 1.0 where the prediction is right, else 0.0."""
        pairs = zip(self.labels, self.predictions, strict=True)
        return np.array([float(label == predicted) for label, predicted in pairs])

    def image_scores(self, metric: str) -> NDArray[np.float64]:
        """Read a metric's scores of the single images, (N,); NaN where the evaluation kept none."""
        name = f"score/{metric}"
        if name not in self.results.columns:
            return np.full(len(self.results), np.nan)
        return np.asarray(self.results[name], np.float64)

    def number(self, key: str) -> float:
        """Read a metric as a float; NaN where it is absent, undefined or text."""
        return read_number(self.metrics, key)

    def interval(self, key: str) -> tuple[float, float]:
        """Give a metric's 95 % interval over images, both ends NaN where it isn't known.

        Most are among the metrics; of others it is a bootstrap of what the evaluation keeps of single images.
        """
        if f"interval.{key}.low" in self.metrics:
            return read_interval(self.metrics, key)
        if key == "accuracy":
            return bootstrap_share(self.correct)
        if key == "balanced_accuracy":
            truth, predicted = (
                np.array([self.classes.index(name) for name in names]) for names in (self.labels, self.predictions)
            )
            return bootstrap_recall(confusion_matrix(truth, predicted, len(self.classes)))
        if f"score/{key}" in self.results.columns:
            return bootstrap_macro(self.image_scores(key), self.labels)
        return math.nan, math.nan


@dataclass(frozen=True)
class CrossResult(ExperimentResult):
    """Results of an experiment's model on another data set.

    ``config`` is the entry of the experiment; metrics and results lie in ``metrics/cross`` and ``evaluation/cross``.

    Attributes:
        entry: Validated entry under ``cross``, whose key is ``name``.
    """

    entry: CrossConfig

    @property
    def dataset(self) -> str:
        """Data set whose images were scored."""
        return self.entry.dataset


def class_names(store: Store) -> tuple[str, ...]:
    """Read the names of the classes of an evaluation store's probabilities; empty if the store doesn't name them.

    Raises:
        StoreError: The store has more or fewer names than probabilities.
    """
    text = str(store.attributes.get("classes", ""))
    names = tuple(text.split(",")) if text else ()
    if names and len(names) != store.specs["probabilities"].shape[1]:
        raise StoreError(f"{store.path}: attribute 'classes' doesn't name the columns of 'probabilities'")
    return names


def experiment_names(params: dict[str, Any], params_path: Path) -> list[str]:
    """List the experiments of ``params.yaml`` that are compared; those on persons are left out.

    Networks that tell persons apart only serve others as a start; their scores can't be compared with these.

    Raises:
        DataError: ``params.yaml`` names no such experiment.
    """
    entries = params.get("experiments") or {}
    names = [name for name, own in entries.items() if not isinstance(own, dict) or own.get("target") != "subject"]
    if not names:
        raise DataError(f"{params_path}: experiments: none are named, there is nothing to report")
    return names


def choose_experiments(params: dict[str, Any], params_path: Path, chosen: Sequence[str] | None = None) -> list[str]:
    """List some of the experiments of ``experiment_names``, in their order.

    Args:
        params: Content of ``params.yaml``.
        params_path: Its path, for messages.
        chosen: Names of experiments, or of groups for all of their members; default all experiments.

    Raises:
        ConfigError: There is no such experiment or group, or it tells persons apart.
        DataError: ``params.yaml`` names no experiment.
    """
    names, entries = experiment_names(params, params_path), params.get("experiments") or {}
    if chosen is None:
        return names
    tied = {name: own.get("group") for name, own in entries.items() if isinstance(own, dict)}
    groups = {name: str(group) for name, group in tied.items() if group}
    for one in chosen:
        if one in entries and one not in names:
            raise ConfigError(f"experiment {one!r} tells persons apart, and has no scores to show")
        if one not in names and one not in groups.values():
            known = [*names, *groups.values()]
            raise ConfigError(f"{params_path}: experiments has no {one!r}; {near_names(one, dict.fromkeys(known))}")
    return [name for name in names if name in chosen or groups.get(name) in chosen]


def read_experiment(name: str, config: ExperimentConfig, root: Path, model: str | None = None) -> ExperimentResult:
    """Read one experiment's metrics and evaluation store.

    Args:
        name: Key in ``params.yaml``.
        config: Entry of that key.
        root: Project folder, with ``evaluation`` and ``metrics``.
        model: ``weights_sha256`` of the model that was scored; default any.

    Raises:
        DataError: A file is missing, damaged, or doesn't fit the others; the message names it.
    """
    return ExperimentResult(name, config, *_read_files(name, root, model))


def read_cross(
    name: str, entry: CrossConfig, config: ExperimentConfig, root: Path, model: str | None = None
) -> CrossResult:
    """Read the metrics and the evaluation store of an experiment's model on another data set.

    Args:
        name: Key under ``cross`` in ``params.yaml``.
        entry: Entry of that key.
        config: Entry of the experiment that it names.
        root: Project folder, with ``evaluation`` and ``metrics``.
        model: ``weights_sha256`` of the model that was scored; default any.

    Raises:
        DataError: A file is missing, damaged, or doesn't fit the others; the message names it.
    """
    return CrossResult(name, config, *_read_files(f"cross/{name}", root, model), entry=entry)


def _read_files(place: str, root: Path, model: str | None) -> tuple[dict[str, Metric], Store, tuple[str, ...]]:
    """Read metrics and store of an evaluation, and the classes that the store names."""
    results = Store.open(root / "evaluation" / f"{place}.h5", "evaluation")
    classes = class_names(results)
    if not classes:
        raise DataError(f"{results.path}: attribute 'classes' is missing")
    metrics = read_metrics(root / "metrics" / f"{place}.json", evaluation=results.content_sha256, model=model)
    return metrics, results, classes

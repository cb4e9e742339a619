"""Slices of a split: faces that have something in common, such as a turned head, and the scores on them alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.classification import accuracy, balanced_accuracy, confusion_matrix
from fer_au.evaluation.averages import macro_mean
from fer_au.evaluation.bootstrap import bootstrap_macro, bootstrap_recall, bootstrap_share
from fer_au.evaluation.metrics_file import Metric, interval_metrics
from fer_au.evaluation.traits import Traits, head_turns

FEW = 30
"""Slices of fewer faces are marked: chance moves their scores by more than most differences between models."""

RESAMPLES = 2000
"""Of each interval. One that ends a little elsewhere is no other finding, and slices are many."""

YAW_PITCH = (15.0, 30.0, 45.0)
SIZES = (20.0, 40.0, 80.0, 160.0)
SKIN_TONES = (1 / 3, 2 / 3)
_THIRDS = ("low", "middle", "high")
_FEWEST_OF_A_PERSON = 5
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Slice:
    """Some of the faces of a split.

    Attributes:
        name: Trait and part of it, such as ``pose.15-30``.
        rows: (N,) True for its faces.
    """

    name: str
    rows: NDArray[np.bool_]

    @property
    def n(self) -> int:
        """Number of its faces."""
        return int(np.count_nonzero(self.rows))

    @property
    def few(self) -> bool:
        """Whether its faces are too few to say much."""
        return self.n < FEW


@dataclass(frozen=True)
class SplitAnswers:
    """What a model answers on N faces.

    Attributes:
        truth: (N,) true classes.
        predicted: (N,) predicted classes.
        classes: Names of the classes.
        att_ccos: (N,) centred cosine of the attention with the AU map; NaN where there is none.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    classes: Sequence[str]
    att_ccos: NDArray[np.floating]

    def take(self, rows: NDArray[np.bool_]) -> SplitAnswers:
        """Take some of the faces."""
        return SplitAnswers(self.truth[rows], self.predicted[rows], self.classes, self.att_ccos[rows])

    @property
    def labels(self) -> list[str]:
        """N true labels."""
        return [self.classes[index] for index in self.truth.tolist()]


def cut_slices(traits: Traits) -> list[Slice]:
    """Cut a split into slices by every trait, in an order for readers.

    Head poses always have all of their slices, so that a reader sees that nobody is turned; another trait has the ones
    with faces, and none if all faces are in one.
    """
    slices = _pose_slices(traits) if "yaw" in traits else []
    parts = {
        "size": _cut(traits.get("size"), SIZES),
        "landmark_residual": _thirds(traits.get("landmark_residual")),
        "landmark_score": _thirds(traits.get("landmark_score")),
        "detector": _texts(traits.get("detector")),
        "skin_tone": _named(_cut(traits.get("skin_tone"), SKIN_TONES), ("light", "medium", "dark", _UNKNOWN)),
    }
    for trait, own in parts.items():
        filled = {name: rows for name, rows in own.items() if rows.any()}
        if len(filled) > 1:
            slices += [Slice(f"{trait}.{name}", rows) for name, rows in filled.items()]
    return slices


def _pose_slices(traits: Traits) -> list[Slice]:
    turned = head_turns(traits)
    cut = _cut(turned, YAW_PITCH)
    over = {f"over_{limit:g}": np.asarray(turned > limit) for limit in YAW_PITCH[1:]}
    order = [name for name in cut if name not in (*over, _UNKNOWN)]
    every = {name: cut[name] for name in order} | over | {_UNKNOWN: cut[_UNKNOWN]}
    return [Slice(f"pose.{name}", rows) for name, rows in every.items()]


def _cut(values: NDArray[Any] | None, edges: Sequence[float]) -> dict[str, NDArray[np.bool_]]:
    """Cut at edges: ``0-15``, ``15-30``, ..., ``over_45``, and ``unknown``; an edge belongs to the part below it."""
    if values is None:
        return {}
    place = np.searchsorted(np.asarray(edges), values, side="left")
    known = np.isfinite(values)
    bounds = [0.0, *edges]
    names = [f"{low:g}-{high:g}" for low, high in zip(bounds[:-1], edges, strict=True)] + [f"over_{edges[-1]:g}"]
    parts = {name: np.asarray(known & (place == number)) for number, name in enumerate(names)}
    return parts | {_UNKNOWN: ~known}


def _named(parts: dict[str, NDArray[np.bool_]], names: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    return dict(zip(names, parts.values(), strict=True)) if parts else {}


def _thirds(values: NDArray[Any] | None) -> dict[str, NDArray[np.bool_]]:
    """Cut known values into three parts of about equally many faces; none where they don't differ."""
    if values is None or not np.isfinite(values).any():
        return {}
    low, high = np.nanquantile(values, [1 / 3, 2 / 3])
    if not low < high:
        return {}
    known = np.isfinite(values)
    parts = (values <= low, (values > low) & (values <= high), values > high)
    return dict(zip(_THIRDS, parts, strict=True)) | {_UNKNOWN: ~known}


def _texts(values: NDArray[Any] | None) -> dict[str, NDArray[np.bool_]]:
    return {} if values is None else {name.decode(): values == name for name in np.unique(values).tolist()}


def slice_metrics(slices: Sequence[Slice], answers: SplitAnswers) -> dict[str, Metric]:
    """Score slices: ``slice.<slice>.<score>``, and the intervals of the scores."""
    metrics: dict[str, Metric] = {}
    for one in slices:
        metrics |= scores_of(f"slice.{one.name}.", answers.take(one.rows))
    return metrics


def scores_of(prefix: str, answers: SplitAnswers) -> dict[str, Metric]:
    """Score faces: ``n``, ``n_cos``, ``accuracy``, ``balanced_accuracy`` and ``att_ccos``, with 95 % intervals.

    Args:
        prefix: Beginning of the keys.
        answers: SplitAnswers on these faces; without any, there are only the counts.
    """
    n_cos = int(np.isfinite(answers.att_ccos).sum())
    metrics: dict[str, Metric] = {f"{prefix}n": len(answers.truth), f"{prefix}n_cos": n_cos}
    if not len(answers.truth):
        return metrics
    counts = confusion_matrix(answers.truth, answers.predicted, len(answers.classes))
    right = (answers.truth == answers.predicted).astype(np.float64)
    found = {
        "accuracy": (accuracy(counts), bootstrap_share(right, RESAMPLES)),
        "balanced_accuracy": (balanced_accuracy(counts), bootstrap_recall(counts, RESAMPLES)),
    }
    if n_cos:
        labels = answers.labels
        mean = macro_mean(answers.att_ccos, labels)
        found["att_ccos"] = mean, bootstrap_macro(answers.att_ccos, labels, RESAMPLES)
    for name, (score, bounds) in found.items():
        metrics[f"{prefix}{name}"] = score
        metrics |= _interval(f"{prefix}{name}", bounds)
    return metrics


def _interval(key: str, bounds: tuple[float, float]) -> dict[str, Metric]:
    """Name the ends of a metric's interval; nothing where every resample is the same, which says nothing of others."""
    if not bounds[0] < bounds[1]:
        return {}
    return interval_metrics(key, *bounds)


def whole_intervals(answers: SplitAnswers) -> dict[str, Metric]:
    """Give the intervals of ``accuracy``, ``balanced_accuracy`` and ``att_ccos`` of the whole split."""
    return {key: value for key, value in scores_of("", answers).items() if key.startswith("interval.")}


def person_metrics(subjects: NDArray[Any] | None, answers: SplitAnswers) -> dict[str, Metric]:
    """Score the persons of a split: their mean, and the one who is recognised worst; nothing without two persons.

    The interval of the mean is a bootstrap over persons: how far it would move with other people.

    Args:
        subjects: (N,) persons; empty where unknown.
        answers: SplitAnswers on the N faces.
    """
    if subjects is None:
        return {}
    names, place = np.unique(subjects, return_inverse=True)
    right = (answers.truth == answers.predicted).astype(np.float64)
    counts = np.bincount(place, minlength=len(names))
    shares = np.bincount(place, right, minlength=len(names)) / counts
    known = names != b""
    if np.count_nonzero(known) <= 1:
        return {}
    metrics: dict[str, Metric] = {
        "slice.subject.persons": int(np.count_nonzero(known)),
        "slice.subject.mean.accuracy": float(shares[known].mean()),
    }
    bounds = bootstrap_macro(shares[known], [""] * int(np.count_nonzero(known)), RESAMPLES)
    metrics |= _interval("slice.subject.mean.accuracy", bounds)
    often = np.flatnonzero(known & (counts >= _FEWEST_OF_A_PERSON))
    if len(often):
        worst = int(often[np.argmin(shares[often])])
        metrics |= scores_of("slice.subject.worst.", answers.take(np.asarray(place == worst)))
    return metrics


def class_intervals(answers: SplitAnswers) -> dict[str, Metric]:
    """Give the intervals of each class's recall (``per_class.<class>.accuracy``) and of its ``att_ccos``."""
    metrics: dict[str, Metric] = {}
    for name, own in _by_class(answers):
        right = (own.truth == own.predicted).astype(np.float64)
        metrics |= _interval(f"per_class.{name}.accuracy", bootstrap_share(right, RESAMPLES))
        if np.isfinite(own.att_ccos).any():
            bounds = bootstrap_macro(own.att_ccos, own.labels, RESAMPLES)
            metrics |= _interval(f"per_class.{name}.att_ccos", bounds)
    return metrics


def _by_class(answers: SplitAnswers) -> Iterator[tuple[str, SplitAnswers]]:
    for index, name in enumerate(answers.classes):
        yield name, answers.take(np.asarray(answers.truth == index))

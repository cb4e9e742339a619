"""Derive figures from the evaluation stores: matrices, class averages, paired comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation import (
    PairedDifference,
    centered_cosine,
    confusion_matrix,
    cosine_alignment,
    expression_means,
    paired_bootstrap,
)
from fer_au.evaluation.map_scores import FloatArray
from fer_au.evaluation.scores import comparison_maps
from fer_au.report.collect import Experiment
from fer_au.report.heat import stretch


@dataclass(frozen=True)
class Matrix:
    """Labelled matrix for display; NaN cells are undefined.

    Attributes:
        rows: Names of the rows, true classes.
        columns: Names of the columns.
        values: (rows, columns) scores or shares.
        counts: (rows, columns) numbers of images; None where they make no sense.
    """

    rows: list[str]
    columns: list[str]
    values: NDArray[np.float64]
    counts: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Comparison:
    """Comparison of an experiment with the reference experiment on the same images."""

    experiment: str
    reference: str
    accuracy: PairedDifference
    att_ccos: PairedDifference


def confusion(experiment: Experiment) -> Matrix:
    """Compute the confusion matrix, each row divided by the number of its true images."""
    order = {name: index for index, name in enumerate(experiment.classes)}
    pairs = [
        (order[label], order[predicted])
        for label, predicted in zip(experiment.labels, experiment.predictions, strict=True)
        if label in order
    ]
    truth, predicted = np.array(pairs, np.int64).reshape(-1, 2).T
    counts = confusion_matrix(truth, predicted, len(order))
    total = counts.sum(axis=1, keepdims=True)
    share = np.where(total > 0, counts / np.maximum(total, 1), np.nan)
    return Matrix(list(order), list(order), share, counts)


def alignment(experiment: Experiment, *, centred: bool) -> Matrix:
    """Average (centred) cosines with the AU map: true expressions by layers and CAMs (Figs. 10-11, AU-cue paper)."""
    targets = target_maps(experiment)
    columns: list[dict[str, float]] = []
    sources = [f"attention/{layer}" for layer in experiment.layers] + [f"cam/{cam}" for cam in experiment.cams]
    for source in sources:
        maps = stored_maps(experiment, source)
        scores = centered_cosine(maps, targets) if centred else cosine_alignment(maps, targets)
        columns.append(expression_means(scores, experiment.labels))
    rows = [name for name in experiment.classes if any(name in column for column in columns)]
    values = np.array([[column.get(row, math.nan) for column in columns] for row in rows], np.float64)
    names = [f"layer {layer}" for layer in experiment.layers] + list(experiment.cams)
    return Matrix(rows, names, values.reshape(len(rows), len(names)))


def target_maps(experiment: Experiment) -> NDArray[np.float64]:
    """Read the AU maps of the evaluated images, (N, S, S) in [0, 1]; NaN for images without one."""
    targets = np.asarray(experiment.results["target"], np.float64)
    if experiment.results["target"].dtype == np.uint8:
        targets = targets / 255
    targets[~np.asarray(experiment.results["target_valid"], bool)] = np.nan
    return targets


def stored_maps(experiment: Experiment, column: str) -> FloatArray:
    """Read the maps of one column on the AU maps' grid, (N, S, S), exactly as the metrics compare them."""
    return comparison_maps(experiment.results[column], int(experiment.results["target"].shape[-1]))


def class_average(maps: NDArray[np.floating], labels: Sequence[str], name: str) -> NDArray[np.float32] | None:
    """Average a class's maps, each first stretched to its own range so that no image outweighs the others.

    Args:
        maps: (N, h, w) maps; those that are not finite are left out.
        labels: True labels of the N images.
        name: Label of the class.

    Returns:
        (h, w) mean map, or None if the class has no usable map.
    """
    own = np.array([label == name for label in labels], bool) & np.isfinite(maps).all(axis=(1, 2))
    if not own.any():
        return None
    mean: NDArray[np.float32] = stretch(maps[own]).mean(axis=0)
    return mean


def reference_of(experiments: Sequence[Experiment]) -> Experiment | None:
    """Find the experiment that the others on the same data set are compared with: the first without guidance."""
    return next((one for one in experiments if not one.config.guidance), None)


def compare(experiment: Experiment, reference: Experiment) -> Comparison | None:
    """Compare two experiments by paired bootstrap: accuracy over images, centred cosine within expressions.

    Returns:
        The comparison; None if the two have no test image in common.
    """
    shared = [id_ for id_ in experiment.results.ids if id_ in reference.results.index]
    if not shared:
        return None
    own = [experiment.results.index[id_] for id_ in shared]
    other = [reference.results.index[id_] for id_ in shared]
    labels = [experiment.labels[row] for row in own]
    return Comparison(
        experiment.name,
        reference.name,
        paired_bootstrap(experiment.correct[own], reference.correct[other]),
        paired_bootstrap(_att_ccos(experiment)[own], _att_ccos(reference)[other], strata=labels),
    )


def _att_ccos(experiment: Experiment) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = np.array(experiment.results["score/att_ccos"], np.float64)
    return scores

"""Derive figures from the evaluation stores: matrices and class averages."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation import confusion_matrix, expression_means
from fer_au.evaluation.comparison import comparison_maps
from fer_au.evaluation.map_scores import FloatArray
from fer_au.heat import stretch
from fer_au.report.collect import Experiment

_BLOCK = 512  # images whose maps are in memory at a time


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
    """Average (centred) cosines with the AU map: true expressions by kinds of maps (Figs. 10-11, AU-cue paper)."""
    score = "ccos" if centred else "cos"
    scores = [experiment.image_scores(source.metric.format(score)) for source in experiment.maps]
    columns = [expression_means(values, experiment.labels) for values in scores]
    rows = [name for name in experiment.classes if any(name in column for column in columns)]
    values = np.array([[column.get(row, math.nan) for column in columns] for row in rows], np.float64)
    names = [source.title.removeprefix("CAM: ") for source in experiment.maps]
    return Matrix(rows, names, values.reshape(len(rows), len(names)))


def class_averages(experiment: Experiment, column: str | None) -> dict[str, NDArray[np.float32]]:
    """Average the maps of each class, each map first stretched to its own range so that none outweighs the others.

    The maps are read block by block, so that memory doesn't grow with the images.

    Args:
        experiment: Experiment whose evaluation store is read.
        column: Column of maps; None for the AU maps.

    Returns:
        True label -> (S, S) mean map on the AU maps' grid, of the maps that are finite.
    """
    store, labels = experiment.results, np.asarray(experiment.labels, object)
    size = int(store.specs["target"].shape[-1])
    sums: dict[str, FloatArray] = {}
    counts: Counter[str] = Counter()
    for start in range(0, len(store), _BLOCK):
        rows = start, min(start + _BLOCK, len(store))
        if column is None:
            maps = np.asarray(store.rows("target", *rows), np.float64)
            usable = np.asarray(store.rows("target_valid", *rows), np.bool_)
        else:
            maps = comparison_maps(store.rows(column, *rows), size)
            usable = np.asarray(np.isfinite(maps).all(axis=(1, 2)), np.bool_)
        own = labels[slice(*rows)]
        for label in dict.fromkeys(own[usable].tolist()):
            chosen = stretch(maps[usable & (own == label)])
            sums[label] = sums.get(label, 0.0) + chosen.sum(axis=0, dtype=np.float64)
            counts[label] += len(chosen)
    return {label: (total / counts[label]).astype(np.float32) for label, total in sums.items()}

"""Score predicted labels. Classes are indices into a model's class order.

In float64, and over the classes that have images: torchmetrics computes in float32, and lets a class without images
that is predicted once count as a recall of 0, which would punish a model on a data set that lacks one of its classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.arguments import read_whole
from fer_au.array_arguments import answer_in_kind, read_array
from fer_au.errors import ArgumentError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def confusion_matrix(truth: NDArray[Any], predicted: NDArray[Any], classes: int) -> IntArray:
    """Count images by true class (rows) and predicted class (columns), (classes, classes).

    Args:
        truth: (N,) true class indices; an array, a tensor or a list of whole numbers.
        predicted: (N,) predicted class indices.
        classes: Number of classes.

    Returns:
        (classes, classes) counts, a tensor if ``truth`` is one.

    Raises:
        ArgumentError: Lengths differ, or an index is no whole number from 0 to ``classes`` - 1.
    """
    classes = read_whole("classes", classes)
    truth = read_array("truth", truth, ("N",), "integer")
    true = _read_indices("truth", truth, len(truth), classes)
    seen = _read_indices("predicted", predicted, len(true), classes)
    counts = np.bincount(true * classes + seen, minlength=classes * classes).reshape(classes, classes)
    counted: IntArray = answer_in_kind(counts, truth)
    return counted


def _read_indices(name: str, indices: object, count: int, classes: int) -> IntArray:
    values: IntArray = np.asarray(read_array(name, indices, (count,), "integer", "numpy"), np.int64)
    if values.size and (values.min() < 0 or values.max() >= classes):
        raise ArgumentError(f"{name}: expected class indices from 0 to {classes - 1}, got {values.tolist()[:20]}")
    return values


def accuracy(confusion: IntArray) -> float:
    """Compute the share of images with the right class, in [0, 1]; NaN without images. The AU-cue paper's CL / 100."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float("nan")


def class_recall(confusion: IntArray) -> FloatArray:
    """Compute the share of each true class that is recognised, (classes,) in [0, 1]; NaN for a class without images."""
    support = confusion.sum(axis=1)
    recall = np.full(len(confusion), np.nan)
    np.divide(np.diag(confusion), support, out=recall, where=support > 0)
    return recall


def class_precision(confusion: IntArray) -> FloatArray:
    """Compute the share of right answers among those that name each class, (classes,); NaN for one never named."""
    named = confusion.sum(axis=0)
    precision = np.full(len(confusion), np.nan)
    np.divide(np.diag(confusion), named, out=precision, where=named > 0)
    return precision


def class_f1(confusion: IntArray) -> FloatArray:
    """Compute F1 = 2 TP / (2 TP + FP + FN) of each class, (classes,); NaN for one neither true nor named."""
    involved = confusion.sum(axis=0) + confusion.sum(axis=1)
    scores = np.full(len(confusion), np.nan)
    np.divide(2 * np.diag(confusion), involved, out=scores, where=involved > 0)
    return scores


def balanced_accuracy(confusion: IntArray) -> float:
    """Average ``class_recall`` over the classes that have images, in [0, 1] (Brodersen et al., ICPR 2010)."""
    recall = class_recall(confusion)
    present = ~np.isnan(recall)
    return float(recall[present].mean()) if present.any() else float("nan")


def macro_f1(confusion: IntArray) -> float:
    """Average ``class_f1`` over the classes that are true or predicted at least once, in [0, 1]."""
    scores = class_f1(confusion)
    present = ~np.isnan(scores)
    return float(scores[present].mean()) if present.any() else float("nan")

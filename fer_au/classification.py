"""Score predicted labels. Classes are indices into a model's class order.

In float64, and over the classes that have images: torchmetrics computes in float32, and lets a class without images
that is predicted once count as a recall of 0, which would punish a model on a data set that lacks one of its classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def confusion_matrix(truth: NDArray[Any], predicted: NDArray[Any], classes: int) -> IntArray:
    """Count images by true class (rows) and predicted class (columns), (classes, classes).

    Raises:
        ValueError: Lengths differ, or an index is outside ``range(classes)``.
    """
    truth, predicted = np.asarray(truth, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if truth.shape != predicted.shape:
        raise ValueError(f"{len(truth)} true labels for {len(predicted)} predictions")
    for name, values in (("true", truth), ("predicted", predicted)):
        if values.size and (values.min() < 0 or values.max() >= classes):
            raise ValueError(f"a {name} class index is outside 0..{classes - 1}")
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


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


def balanced_accuracy(confusion: IntArray) -> float:
    """Average ``class_recall`` over the classes that have images, in [0, 1] (Brodersen et al., ICPR 2010)."""
    recall = class_recall(confusion)
    present = ~np.isnan(recall)
    return float(recall[present].mean()) if present.any() else float("nan")


def macro_f1(confusion: IntArray) -> float:
    """Average F1 = 2 TP / (2 TP + FP + FN) over the classes that are true or predicted at least once, in [0, 1]."""
    hits = np.diag(confusion)
    involved = confusion.sum(axis=0) + confusion.sum(axis=1)
    present = involved > 0
    return float((2 * hits[present] / involved[present]).mean()) if present.any() else float("nan")

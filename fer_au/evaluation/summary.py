"""Sum the scores of images up to metrics.

All scores of maps are averaged in one way: to a mean per class, then over the classes, each with the same weight.
Scores against an AU map exist for expressions alone (true class, not neutral, landmarks found); shares of regions for
all faces with landmarks, neutral ones included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.classification import (
    accuracy,
    balanced_accuracy,
    class_f1,
    class_precision,
    class_recall,
    confusion_matrix,
    macro_f1,
)
from fer_au.evaluation.averages import ScoreTotals
from fer_au.expressions import NEUTRAL

_PER_CLASS = ("att_cos", "att_ccos", "att_class_rank")


def map_metrics(totals: ScoreTotals) -> dict[str, float | int]:
    """Sum up the scores of maps by name.

    Args:
        totals: Sums of the scores of all images.

    Returns:
        Metric -> the macro mean; of ``truth.*`` also the mean of each expression, under ``<metric>.<expression>``; of
        faithfulness the plain mean; and of faulty maps (``*maps.*``) their number.
    """
    metrics: dict[str, float | int] = {}
    for name in totals.names:
        if "maps." in name:
            metrics[name] = int(totals.total(name))
        elif name.startswith("faithfulness."):
            metrics[name] = totals.mean(name)
        else:
            metrics[name] = totals.macro(name, neutral="region." in name)
        if name.startswith("truth."):
            metrics |= {f"{name}.{label}": mean for label, mean in totals.means(name).items()}
    return metrics


def classification_metrics(probabilities: NDArray[Any], labels: NDArray[np.int64]) -> dict[str, float]:
    """Compute ``accuracy``, ``balanced_accuracy`` and ``macro_f1``."""
    confusion = confusion_matrix(labels, probabilities.argmax(axis=1), probabilities.shape[1])
    return {
        "accuracy": accuracy(confusion),
        "balanced_accuracy": balanced_accuracy(confusion),
        "macro_f1": macro_f1(confusion),
    }


def class_metrics(
    probabilities: NDArray[Any],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    totals: ScoreTotals,
) -> dict[str, float | int]:
    """Compute the metrics ``per_class.<label>.*``: those of ``class_recognition`` and of ``class_attention``."""
    return class_recognition(probabilities, labels, classes) | class_attention(labels, classes, totals)


def class_recognition(
    probabilities: NDArray[Any], labels: NDArray[np.int64], classes: Sequence[str]
) -> dict[str, float | int]:
    """Compute recall (under the name ``accuracy``), ``precision`` and ``f1`` of every class."""
    confusion = confusion_matrix(labels, probabilities.argmax(axis=1), len(classes))
    recognition = {
        "accuracy": class_recall(confusion),
        "precision": class_precision(confusion),
        "f1": class_f1(confusion),
    }
    return {
        f"per_class.{label}.{name}": float(values[index])
        for index, label in enumerate(classes)
        for name, values in recognition.items()
    }


def class_attention(labels: NDArray[np.int64], classes: Sequence[str], totals: ScoreTotals) -> dict[str, float | int]:
    """Compute ``n`` of every class, and of expressions the mean ``att_cos``, ``att_ccos`` and ``att_class_rank``."""
    counts = np.bincount(labels, minlength=len(classes))
    means = {name: totals.means(name) for name in _PER_CLASS}
    metrics: dict[str, float | int] = {}
    for index, label in enumerate(classes):
        metrics[f"per_class.{label}.n"] = int(counts[index])
        if label != NEUTRAL:
            metrics |= {f"per_class.{label}.{name}": mean.get(label, float("nan")) for name, mean in means.items()}
    return metrics

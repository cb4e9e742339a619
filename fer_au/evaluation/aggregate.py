"""From scores per image to scores per expression and to the one figure of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.arrays import FloatArray
from fer_au.expressions import NEUTRAL


def expression_means(scores: NDArray[Any], labels: Sequence[str]) -> dict[str, float]:
    """Mean score of each expression over its true images; NaN scores (undefined) and neutral faces are left out.

    Args:
        scores: (N,) one per image.
        labels: N true canonical labels; wrong and right predictions count alike.

    Returns:
        Label -> mean, of the expressions that have at least one defined score, in order of first appearance.

    Raises:
        ValueError: ``scores`` and ``labels`` differ in length.
    """
    values, names = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=object)
    if values.shape != names.shape:
        raise ValueError(f"{values.shape[0]} scores for {len(names)} labels")
    means: dict[str, float] = {}
    for label in dict.fromkeys(labels):
        own = values[(names == label) & ~np.isnan(values)]
        if label != NEUTRAL and own.size:
            means[label] = float(own.mean())
    return means


def macro_mean(scores: NDArray[Any], labels: Sequence[str]) -> float:
    """Unweighted mean of ``expression_means``: the AU-cue paper's only aggregate of ATT-COS and CAM-COS.

    Every expression weighs the same, however many images it has. NaN if no expression has a defined score.
    """
    means = expression_means(scores, labels)
    return float(np.mean(list(means.values()))) if means else float("nan")


def masked(scores: FloatArray, keep: NDArray[np.bool_]) -> FloatArray:
    """A copy of ``scores`` that is NaN (undefined) where ``keep`` is False."""
    return np.where(keep, scores, np.nan)

"""Spearman's rank correlation of many rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.map_scores import FloatArray


def spearman(first: NDArray[Any], second: NDArray[Any]) -> FloatArray:
    """Correlate ranks row by row; ties share their mean rank.

    Args:
        first: (B, n), or (1, n) to be compared with every row of the other.
        second: (B, n) or (1, n).

    Returns:
        (B,) in [-1, 1]; NaN where a row has one value only, which orders nothing, or holds a NaN.
    """
    from scipy.stats import rankdata

    a, b = (rankdata(values, axis=1, nan_policy="propagate") for values in (first, second))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    product = (a * b).sum(axis=1)
    return np.asarray(np.where(scale > 0, product / np.where(scale > 0, scale, 1.0), np.nan), np.float64)

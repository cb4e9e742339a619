"""Whether a model's probabilities are shares of right answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15


def calibration_error(probabilities: NDArray[Any], labels: NDArray[np.int64], bins: int = BINS) -> float:
    """Compute the expected calibration error of the predicted class (Guo et al., ICML 2017, eq. 3).

    Images are sorted by the probability of their predicted class into bins of equal width, of 15 the first is
    (0, 1/15]. The error is the mean over images of the gap between the share of right answers and the mean probability
    of their bin.

    Args:
        probabilities: (N, C) class probabilities.
        labels: (N,) true classes.
        bins: Number of bins.

    Returns:
        Error in [0, 1], 0 if the model knows how sure it may be; NaN without images.
    """
    if not len(labels):
        return float("nan")
    confidence = np.asarray(probabilities.max(axis=1), np.float64)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(place, right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))

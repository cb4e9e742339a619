"""Compare maps of the same picture with one another: by the order of their places, and by their structure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from fer_au.evaluation.map_scores import FloatArray, centered_cosine

_SIGMA, _RADIUS = 1.5, 5  # of the window, in cells
_C1, _C2 = 0.01**2, 0.03**2  # for maps in [0, 1]


def rank_correlation(maps: NDArray[Any], others: NDArray[Any]) -> FloatArray:
    """Compute Spearman's rank correlation over the places of each pair of maps; ties get their mean rank.

    Args:
        maps: (N, h, w).
        others: (N, h, w) on the same grid.

    Returns:
        (N,) in [-1, 1]. A constant map orders nothing: 0 with any other map, and 1 with another constant one, since
        both say the same. NaN where a map holds a NaN.
    """
    ranks = [np.asarray(rankdata(one.reshape(len(one), -1), axis=1)) for one in (maps, others)]
    level = [np.ptp(one, axis=1) == 0 for one in ranks]
    found = centered_cosine(ranks[0][:, None], ranks[1][:, None])
    found = np.where(level[0] | level[1], np.where(level[0] & level[1], 1.0, 0.0), found)
    finite = np.isfinite(maps).all(axis=(1, 2)) & np.isfinite(others).all(axis=(1, 2))
    return np.where(finite, found, np.nan)


def structural_similarity(maps: NDArray[Any], others: NDArray[Any]) -> FloatArray:
    """Compute the SSIM of each pair of maps (Wang et al., IEEE TIP 2004): means, spreads and covariance of windows.

    Windows are Gaussian, sigma 1.5 cells in 11 x 11; maps are mirrored at their borders.

    Args:
        maps: (N, h, w) in [0, 1].
        others: (N, h, w) on the same grid.

    Returns:
        (N,) in [-1, 1]; 1 for equal maps.
    """
    x, y = np.asarray(maps, np.float64), np.asarray(others, np.float64)
    mean_x, mean_y = _windows(x), _windows(y)
    spread_x, spread_y = _windows(x * x) - mean_x**2, _windows(y * y) - mean_y**2
    shared = _windows(x * y) - mean_x * mean_y
    level = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * shared + _C2) / (spread_x + spread_y + _C2)
    return np.asarray((level * structure).mean(axis=(1, 2)), np.float64)


def _windows(values: FloatArray) -> FloatArray:
    """Average over the window around each cell."""
    return np.asarray(gaussian_filter(values, _SIGMA, mode="mirror", radius=_RADIUS, axes=(1, 2)), np.float64)

"""Compare maps of the same picture with one another: by the order of their places, and by their structure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fer_au.evaluation.map_scores import FloatArray
from fer_au.evaluation.ranks import spearman
from fer_au.resizing import resize_maps

_SIGMA, _RADIUS = 1.5, 5  # of the window, in cells
_GRID = 28  # cells on a side of the grid on which two maps are compared
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
    one, other = (values.reshape(len(values), -1) for values in (maps, others))
    level = [np.ptp(values, axis=1) == 0 for values in (one, other)]
    found = np.where(level[0] | level[1], level[0] & level[1], spearman(one, other))
    return np.where(np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1), found, np.nan)


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


def similarities(maps: NDArray[Any], others: NDArray[Any]) -> FloatArray:
    """Compare raw maps with others of the same pictures, by ``audit_metrics.MEASURES``.

    Args:
        maps: (N, h, w).
        others: (N, h, w).

    Returns:
        (N, 3) rank correlations, those of absolute values, and SSIM of maps that are scaled to [0, 1] by their ranges.
    """
    pairs = [(maps, others), (np.abs(maps), np.abs(others)), (_scaled(maps), _scaled(others))]
    measures = (rank_correlation, rank_correlation, structural_similarity)
    found = []
    for measure, pair in zip(measures, pairs, strict=True):
        one, other = (resize_maps(own.astype(np.float64), _GRID) for own in pair)
        found.append(measure(one, other))
    return np.stack(found, axis=1)


def _scaled(maps: NDArray[Any]) -> FloatArray:
    import torch

    from fer_au.maps import min_max

    return np.asarray(min_max(torch.from_numpy(np.asarray(maps, np.float32))).numpy(), np.float64)

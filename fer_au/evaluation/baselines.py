"""Draw the maps that a score is read against: maps that nobody had to learn, on the layer's own grid.

A coarse layer can't draw a fine map: a perfect 4x4 attention scores about .79 against AU maps in the crop ``loose``,
and .85 in ``arcface``, where they are larger. So each reference is reduced to the layer's grid, and scored as that
layer's attention is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.cues.regions import REGIONS
from fer_au.evaluation.class_means import class_mean_maps
from fer_au.evaluation.map_scores import FloatArray
from fer_au.evaluation.truth import Truth
from fer_au.resizing import resize_maps

_SIGMA = 0.25  # of the centred Gaussian, in sides of the crop


def reference_maps(truth: Truth) -> dict[str, NDArray[Any]]:
    """Draw the baselines and the ceiling of a block of faces on the comparison grid, before any layer's grid.

    Returns:
        Name -> (N, S, S); NaN for faces that have no such map:

        * ``baseline.blank``: one everywhere;
        * ``baseline.gaussian``: a Gaussian in the middle of the crop, with a sigma of a quarter of its side;
        * ``baseline.face``: the share of each cell that shows the face;
        * ``baseline.generic``: all action units, whatever the expression;
        * ``baseline.class_mean``: the training split's mean AU map of the TRUE class;
        * ``ceiling``: the AU map itself.
    """
    count, size = len(truth.labels), truth.size
    return {
        "baseline.blank": np.ones((count, size, size), np.float32),
        "baseline.gaussian": np.broadcast_to(gaussian_map(size), (count, size, size)),
        "baseline.face": 1 - truth.coverage.sum(axis=1)[:, REGIONS.index("background")],
        "baseline.generic": truth.generic,
        "baseline.class_mean": class_mean_maps(truth.class_means, truth.labels, size),
        "ceiling": np.where(truth.valid[:, None, None], truth.targets, np.nan),
    }


FOLLOWING = ("baseline.face", "baseline.generic", "ceiling")
"""References that are drawn from the face's landmarks, and so move with a moved face."""


def gaussian_map(size: int) -> NDArray[np.float32]:
    """Draw a Gaussian in the middle of the crop, (size, size), with a sigma of a quarter of the crop's side."""
    axis = (np.arange(size) + 0.5) / size - 0.5
    profile = np.exp(-(axis**2) / (2 * _SIGMA**2))
    return np.asarray(profile[:, None] * profile, np.float32)


def least_shares(areas: NDArray[Any], grid: tuple[int, int]) -> FloatArray:
    """Compute the least share of its mass that a map of a grid can have in an area: that of its best single cell.

    A cell spreads over its neighbours when its grid is brought up to the comparison grid, so a coarse layer can't keep
    out of an area that comes close everywhere. The share of any map is a mean of its cells' shares, weighted by their
    mass; none is below the least of them.

    Args:
        areas: (N, S, S) share of each pixel of the comparison grid that the area covers, in [0, 1].
        grid: Height and width of the layer's map.

    Returns:
        (N,) shares in [0, 1]; NaN for an area that isn't finite.
    """
    height, width = grid
    cells = np.eye(height * width).reshape(-1, height, width)
    spread = resize_maps(cells, (areas.shape[1], areas.shape[2])).reshape(len(cells), -1)
    shares = areas.reshape(len(areas), -1) @ (spread / spread.sum(axis=1, keepdims=True)).T
    least: FloatArray = shares.min(axis=1)
    return least

"""Draw the maps that a score is read against: maps that nobody had to learn, through the layer's own grid.

A coarse layer can't draw a fine map: a perfect 4x4 attention scores about .80 against AU maps. So each reference
is reduced to the layer's grid and brought up again, exactly as that layer's attention is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.map_scores import FloatArray, to_numpy
from fer_au.maps import resize_maps


def through_grid(maps: NDArray[Any], grid: tuple[int, int]) -> FloatArray:
    """Redraw maps as a layer with that grid could at best draw them: down to (or up to) its grid, and back.

    Args:
        maps: (N, S, S) on the comparison grid.
        grid: Height and width of the layer's map.

    Returns:
        (N, S, S) on the comparison grid.
    """
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32))
    return to_numpy(resize_maps(resize_maps(tensor, grid), (maps.shape[1], maps.shape[2])))


def blank_maps(count: int, size: int) -> FloatArray:
    """Make all-ones maps, (count, size, size): attention that looks everywhere alike."""
    return np.ones((count, size, size))


def mean_maps(targets: NDArray[Any], labels: Sequence[str], valid: NDArray[np.bool_]) -> dict[str, FloatArray]:
    """Average the targets of each class: the map of a model that knows the class and never looks at the image.

    Args:
        targets: (N, S, S) targets of the TRAINING split, so that no test image's map enters its own baseline.
        labels: Labels of the N images.
        valid: (N,) True where the target is real.

    Returns:
        Label -> (S, S) mean map, for the labels with a valid target.
    """
    names = np.asarray(labels, dtype=object)
    means = {}
    for label in dict.fromkeys(labels):
        own = (names == label) & valid
        if own.any():
            means[label] = np.asarray(targets[own], dtype=np.float64).mean(axis=0)
    return means


def class_mean_maps(means: dict[str, FloatArray], labels: Sequence[str], size: int) -> FloatArray:
    """Give each image the map of its TRUE class in ``mean_maps``, (N, size, size); NaN where the class has none."""
    missing = np.full((size, size), np.nan)
    return np.stack([means.get(label, missing) for label in labels]) if labels else np.zeros((0, size, size))


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
    import torch

    height, width = grid
    cells = torch.eye(height * width).reshape(-1, height, width)
    spread = to_numpy(resize_maps(cells, (areas.shape[1], areas.shape[2]))).reshape(len(cells), -1)
    shares = areas.reshape(len(areas), -1) @ (spread / spread.sum(axis=1, keepdims=True)).T
    least: FloatArray = shares.min(axis=1)
    return least

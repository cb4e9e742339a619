"""True motion maps, carried from the source picture into the crop that a model sees."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from fer_au.evaluation.arrays import FloatArray

_SAMPLES_PER_AXIS = 3  # per cell: a cell of the comparison grid may span several cells of the motion grid


def motion_in_crop(
    motion: FloatArray, picture_sizes: FloatArray, matrices: FloatArray, crop_size: float, map_size: tuple[int, int]
) -> FloatArray:
    """Resample motion maps from pictures to crops.

    Args:
        motion: (N, m, m) maps, each spanning its whole picture.
        picture_sizes: (N, 2) width and height of the pictures in pixels.
        matrices: (N, 2, 3) similarity from picture to crop, pixel centres at +0.5; NaN rows where there is no crop.
        crop_size: Side of the crops in pixels.
        map_size: (h, w) of the result, spanning the crop.

    Returns:
        (N, h, w) mean motion per cell, 0 outside the picture; NaN rows for a matrix that can't be inverted.
    """
    rows, columns = map_size
    fine = (rows * _SAMPLES_PER_AXIS, columns * _SAMPLES_PER_AXIS)
    y, x = ((np.arange(count) + 0.5) * crop_size / count for count in fine)
    crop_points = np.stack([*(axis.ravel() for axis in np.meshgrid(x, y)), np.ones(fine[0] * fine[1])])
    found = np.full((len(motion), rows, columns), np.nan)
    for index, matrix in enumerate(matrices):
        whole = np.vstack([matrix, [0.0, 0.0, 1.0]])
        if not np.isfinite(whole).all() or abs(np.linalg.det(whole)) < 1e-12:
            continue
        picture_points = (np.linalg.inv(whole) @ crop_points)[:2]
        cells = motion.shape[2], motion.shape[1]
        u, v = (picture_points[axis] / picture_sizes[index, axis] * cells[axis] - 0.5 for axis in (0, 1))
        values = map_coordinates(motion[index], [v, u], order=1, mode="constant")
        blocks = values.reshape(rows, _SAMPLES_PER_AXIS, columns, _SAMPLES_PER_AXIS)
        found[index] = blocks.mean(axis=(1, 3))
    return found

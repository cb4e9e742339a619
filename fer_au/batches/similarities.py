"""Random similarities for augmentation: one transform per sample, applied alike to image and maps of any size.

All transforms live in the normalised square [-1, 1] x [-1, 1] whose borders are the outer edges of the border pixels
(pixel i covers [i, i+1), ``align_corners=False``). A point of the scene therefore keeps its normalised place on every
grid, and one matrix moves a 112 px image and its 28 x 28 map together.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Generator, Tensor

from fer_au.config.experiments import AugmentConfig
from fer_au.ibug68 import MIRROR


def random_similarities(count: int, config: AugmentConfig, generator: Generator) -> Tensor:
    """Draw one similarity per sample: mirror, then zoom and rotate about the centre, then shift.

    Args:
        count: Number of samples N.
        config: Ranges: ``flip``, ``rotate`` (degrees), ``scale``, ``shift`` (share of the side).
        generator: A CPU generator, so that every device sees the same draws.

    Returns:
        (N, 2, 3) float32, mapping normalised source points to normalised output points.
    """
    uniform = torch.rand(5, count, generator=generator)
    mirror = torch.where(uniform[0] < config.flip, -1.0, 1.0)
    angle = math.radians(config.rotate) * (2 * uniform[1] - 1)
    low, high = config.scale
    scale = low + (high - low) * uniform[2]
    shift = 2 * config.shift * (2 * uniform[3:5] - 1)  # the square's side is 2
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = [cosine * mirror, -sine, shift[0], sine * mirror, cosine, shift[1]]
    return torch.stack(rows, dim=1).view(count, 2, 3)


def mirrored(matrices: Tensor) -> Tensor:
    """Tell which of (N, 2, 3) similarities mirror, (N,) bool."""
    determinant: Tensor = torch.linalg.det(matrices[:, :, :2])
    return determinant < 0


def invert(matrices: Tensor) -> Tensor:
    """Invert affine matrices, (N, 2, 3) -> (N, 2, 3)."""
    linear = torch.linalg.inv(matrices[:, :, :2])
    return torch.cat([linear, -linear @ matrices[:, :, 2:]], dim=2)


def warp(images: Tensor, matrices: Tensor, padding: str) -> Tensor:
    """Move images or maps by one transform per sample, bilinearly.

    Args:
        images: (N, C, H, W) float.
        matrices: (N, 2, 3), normalised source to normalised output.
        padding: Filling from outside the frame: ``zeros`` for maps, ``border`` for images.

    Returns:
        (N, C, H, W), the same type as ``images``.
    """
    grid = _source_grid(invert(matrices).to(images), images.shape[2], images.shape[3])
    return F.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def move_points(points: Tensor, matrix: Tensor, size: float) -> Tensor:
    """Move the 68 points of a face as ``warp`` moves its picture; a mirrored face has its points by their own names.

    Args:
        points: (68, 2) xy pixels of a square picture.
        matrix: (2, 3), normalised source to normalised output.
        size: Side of the picture in pixels.
    """
    moved = (points * (2 / size) - 1) @ matrix[:, :2].T.to(points) + matrix[:, 2].to(points)
    if bool(mirrored(matrix[None])):
        moved = moved[torch.from_numpy(MIRROR.copy())]
    return (moved + 1) * (size / 2)


def _source_grid(matrices: Tensor, height: int, width: int) -> Tensor:
    """Map the centres of a grid by affine matrices (N, 2, 3), giving (N, height, width, 2).

    ``affine_grid`` does the same by a matrix product with every pixel, in four times the time.
    """
    x, y = ((2 * torch.arange(size).to(matrices) + 1) / size - 1 for size in (width, height))
    across = x[:, None] * matrices[:, None, :, 0]
    down = y[:, None] * matrices[:, None, :, 1] + matrices[:, None, :, 2]
    return across[:, None, :, :] + down[:, :, None, :]

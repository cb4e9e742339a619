"""Images moved at random, and their targets with them: where a class mean can't follow, real attention does.

Aligned faces put every mouth in one place, so a model can score well by memorising one map per class. After a random
similarity (rotation, scale, shift) of picture and target, only attention that follows the face still fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor


@dataclass(frozen=True)
class MoveRange:
    """Bounds of the random similarity, each drawn uniformly.

    Attributes:
        rotation: Largest angle in degrees, either way.
        shift: Largest shift along each axis, as a share of the side.
        scale: Largest zoom, in or out (drawn uniformly in its logarithm).
    """

    rotation: float = 20.0
    shift: float = 0.10
    scale: float = 1.15


DEFAULT_RANGE = MoveRange()


def draw_similarities(count: int, seed: int, moves: MoveRange = DEFAULT_RANGE) -> Tensor:
    """Random similarities, the same for a seed on every machine.

    Args:
        count: Number of images.
        seed: Seed of the draw; image k of a split always gets the k-th draw.
        moves: Bounds.

    Returns:
        (count, 2, 3) float32 ``theta`` of ``F.affine_grid``: from the moved picture's xy in [-1, 1] to the original's.
    """
    unit = np.random.default_rng(seed).uniform(-1.0, 1.0, (count, 4))
    angle = np.deg2rad(moves.rotation) * unit[:, 0]
    zoom = moves.scale ** -unit[:, 1]
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    shift = 2 * moves.shift * unit[:, 2:]
    theta = np.stack([np.stack([cos, -sin, shift[:, 0]], axis=1), np.stack([sin, cos, shift[:, 1]], axis=1)], axis=1)
    return torch.from_numpy(theta.astype(np.float32))


def move_images(images: Tensor, theta: Tensor) -> Tensor:
    """Move (N, C, H, W) images, bilinear; what comes into view is mirrored from the picture, not black.

    A black wedge would be an object that the model never saw in training and could attend to.
    """
    return _sample(images, theta, "reflection")


def move_maps(maps: Tensor, theta: Tensor) -> Tensor:
    """Move (N, h, w) targets with their images; what comes into view is 0 (it asks for no attention)."""
    return _sample(maps[:, None], theta, "zeros")[:, 0]


def _sample(values: Tensor, theta: Tensor, padding: str) -> Tensor:
    grid = F.affine_grid(theta.to(values.device), list(values.shape), align_corners=False)
    return F.grid_sample(values.float(), grid, mode="bilinear", padding_mode=padding, align_corners=False)

"""Images moved at random, and their targets with them: where a class mean can't follow, real attention does.

Aligned faces put every mouth in one place, so a model can score well by memorising one map per class. After a random
similarity (rotation, zoom, shift) of picture and target, only attention that follows the face still fits.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fer_au.batches.similarities import random_similarities, warp
from fer_au.config.experiments import AugmentConfig

# Beyond what training usually shows (8 degrees, 5 %), short of what turns a portrait into another picture. A mirror
# image would move nothing: a class mean is nearly symmetric.
MOVES = AugmentConfig(flip=0.0, rotate=20.0, scale=(0.85, 1.15), shift=0.10)


def draw_moves(count: int, seed: int) -> Tensor:
    """Random similarities of a split, the same for every model that is scored on it.

    Args:
        count: Number of images; image k always gets the k-th transform.
        seed: Seed of the draw.

    Returns:
        (count, 2, 3) float32, normalised source points to normalised output points.
    """
    return random_similarities(count, MOVES, torch.Generator().manual_seed(seed))


def move_images(images: Tensor, moves: Tensor) -> Tensor:
    """Move (N, C, H, W) images; border pixels are continued, as in training: a black wedge would attract attention."""
    return warp(images, moves, "border")


def move_maps(maps: Tensor, moves: Tensor) -> Tensor:
    """Move (N, h, w) targets as their images are; what comes into view is 0, it asks for no attention."""
    return warp(maps[:, None].float(), moves, "zeros")[:, 0]

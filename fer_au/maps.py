"""Compute with attention maps: make them of features, shift and scale them; batched, differentiable, float32.

Every function leaves autocast: a cosine of bfloat16 maps is wrong in the third decimal.
"""

from __future__ import annotations

import torch
from torch import Tensor

# A range below this share of the largest magnitude is float32 rounding, not a map.
_CONSTANT = 1e-6


def channel_mean(features: Tensor) -> Tensor:
    """Compute a feature layer's attention, the mean over channels (Belharbi et al., FG 2024).

    Args:
        features: Features (N, c, h, w), any floating type.

    Returns:
        Attention (N, h, w) float32; signed if the features are.
    """
    with torch.autocast(features.device.type, enabled=False):
        return features.float().mean(1)


def shift_non_negative(maps: Tensor) -> Tensor:
    """Subtract a map's minimum where it is below 0, and leave other maps as they are: the rule for signed maps.

    A cosine with a non-negative cue needs a non-negative map, and a rectified layer's offset from 0 carries meaning.
    This is how the AU-cue paper scores attention.

    Args:
        maps: (N, h, w).

    Returns:
        (N, h, w) float32, >= 0.
    """
    with torch.autocast(maps.device.type, enabled=False):
        values = maps.float()
        return values - values.amin((-2, -1), keepdim=True).clamp(max=0)


def min_max(maps: Tensor) -> Tensor:
    """Scale each map to [0, 1] by its own minimum and maximum; a constant map becomes 0.

    Args:
        maps: (N, h, w).

    Returns:
        (N, h, w) float32; neither values nor gradients are NaN for finite input.
    """
    with torch.autocast(maps.device.type, enabled=False):
        values = maps.float()
        low = values.amin((-2, -1), keepdim=True)
        high = values.amax((-2, -1), keepdim=True)
        extent = high - low
        constant = extent <= _CONSTANT * torch.maximum(low.abs(), high.abs())
        scaled = (values - low) / torch.where(constant, torch.ones_like(extent), extent)
        return torch.where(constant, torch.zeros_like(scaled), scaled)

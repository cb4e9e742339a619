"""Remove the pixels that a map ranks first, or last, without a trace: ROAD (Rong et al., ICML 2022).

Deleted pixels of one colour show a model the outline of what was deleted, so that a map may score by its shape. ROAD
fills them with a noisy mean of their neighbours. It solves a linear system per image, share and order for that; here
they are filled by pull-push (``covering.cover``), which is as smooth, and runs for whole batches on any device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fer_au.evaluation.covering import cover
from fer_au.evaluation.faithfulness import of_target, rank_pixels
from fer_au.evaluation.map_scores import FloatArray, to_numpy
from fer_au.resizing import resize_maps

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of pixels that are removed."""
_NOISE = 0.01  # standard deviation of the noise on filled pixels, of normalised images; the same for all images


@dataclass(frozen=True)
class Road:
    """Mean probabilities over the shares, per image, in [0, 1].

    Attributes:
        morf: (N,) while the most relevant pixels are removed first; lower is more faithful.
        lerf: (N,) while the least relevant ones are removed first; higher is more faithful.
    """

    morf: FloatArray
    lerf: FloatArray


@torch.no_grad()
def remove_and_debias(
    probabilities: Callable[[Tensor], Tensor],
    images: Tensor,
    maps: Tensor,
    *,
    batch_size: int = 64,
    channels: int | None = None,
) -> Road:
    """Compute ROAD for the class that the model predicts on the whole image.

    Args:
        probabilities: (B, C, H, W) images -> (B, classes) probabilities.
        images: (N, C, H, W) normalised images.
        maps: (N, h, w) maps on any grid; brought to the image's size.
        batch_size: Images per forward pass.
        channels: Number of first channels that the map is about and that are removed; default all.

    Returns:
        Means of each image; empty arrays for no images.
    """
    morf, lerf = [torch.zeros(0)], [torch.zeros(0)]
    shown = images.shape[1] if channels is None else channels
    noise = torch.randn((1, shown, *images.shape[2:]), generator=torch.Generator().manual_seed(0)) * _NOISE
    noise = noise.to(images.device)
    per_batch = max(1, batch_size // (2 * len(SHARES)))
    for start in range(0, len(images), per_batch):
        part = images[start : start + per_batch].float()
        rank = rank_pixels(resize_maps(maps[start : start + per_batch].float(), (part.shape[2], part.shape[3])))
        target = probabilities(part).argmax(dim=1)
        first, last = ([rank < share for share in SHARES], [rank >= 1 - share for share in SHARES])
        masks = torch.cat([*first, *last]).float()
        several = part.repeat(len(masks) // len(part), 1, 1, 1)
        filled = cover(several[:, :shown], masks) + masks * noise
        scores = probabilities(torch.cat([filled, several[:, shown:]], dim=1))
        own = of_target(scores, target.repeat(len(masks) // len(part))).view(2, len(SHARES), len(part)).mean(dim=1)
        morf.append(own[0].cpu())
        lerf.append(own[1].cpu())
    return Road(to_numpy(torch.cat(morf)), to_numpy(torch.cat(lerf)))

"""Test whether a model needs what its map shows: deletion and insertion curves (Petsiuk et al., RISE, BMVC 2018)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fer_au.evaluation.blurring import blur_images
from fer_au.evaluation.map_scores import FloatArray, to_numpy
from fer_au.resizing import resize_maps

_BLUR_SHARE = 1 / 16  # sigma of the insertion canvas per image side: features vanish, light and colour stay


@dataclass(frozen=True)
class Faithfulness:
    """Areas under the two curves, per image, in [0, 1].

    Attributes:
        deletion: (N,) mean probability while the map's strongest pixels are replaced first; lower is more faithful.
        insertion: (N,) mean probability while they are put back first; higher is more faithful.
    """

    deletion: FloatArray
    insertion: FloatArray


@torch.no_grad()
def deletion_insertion(
    probabilities: Callable[[Tensor], Tensor],
    images: Tensor,
    maps: Tensor,
    *,
    steps: int = 8,
    batch_size: int = 64,
    channels: int | None = None,
) -> Faithfulness:
    """Compute deletion and insertion areas for the class that the model predicts on the whole image.

    Pixels are ranked by the map; after share k/steps of them, k = 0..steps, the probability is read and the curve
    is integrated by trapezes. Deleted pixels become 0, the mean colour of a normalised image; the insertion
    canvas is the blurred image, as in the paper.

    Args:
        probabilities: (B, C, H, W) images -> (B, classes) probabilities.
        images: (N, C, H, W) normalised images.
        maps: (N, h, w) maps on any grid; brought to the image's size.
        steps: Number of equal steps; the cost is 2 * steps forward passes per image.
        batch_size: Images per forward pass.
        channels: Number of first channels that the map is about and that are replaced; default all.

    Returns:
        Areas of each image; empty arrays for no images.

    Raises:
        ValueError: ``steps`` is below 1.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1: got {steps}")
    deletion, insertion = [], []
    per_batch = max(1, batch_size // steps)
    for start in range(0, len(images), per_batch):
        part = images[start : start + per_batch].float()
        rank = rank_pixels(resize_maps(maps[start : start + per_batch].float(), (part.shape[2], part.shape[3])))
        whole = probabilities(part)
        target = whole.argmax(dim=1)
        shown, rest = part[:, :channels], part[:, part.shape[1] if channels is None else channels :]
        blank, canvas = (
            torch.cat([base, rest], dim=1) for base in (torch.zeros_like(shown), blur_images(shown, _BLUR_SHARE))
        )
        # All deleted is one and the same picture, unless some of it stays; all inserted is the picture itself.
        deleted = blank if rest.shape[1] else blank[:1]
        ends = probabilities(deleted).expand_as(whole), whole, probabilities(canvas)
        nothing, everything, blurred = (of_target(end, target) for end in ends)
        deletion.append(_area([everything, *_curve(probabilities, part, blank, rank, target, steps), nothing]))
        insertion.append(_area([blurred, *_curve(probabilities, canvas, part, rank, target, steps), everything]))
    if not deletion:
        return Faithfulness(to_numpy(torch.zeros(0)), to_numpy(torch.zeros(0)))
    return Faithfulness(to_numpy(torch.cat(deletion)), to_numpy(torch.cat(insertion)))


def rank_pixels(maps: Tensor) -> Tensor:
    """Rank pixels from the strongest, as shares in [0, 1), (N, 1, H, W); ties break by raster order."""
    flat = maps.flatten(1)
    order = flat.argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(flat)
    positions = torch.arange(flat.shape[1], device=flat.device, dtype=flat.dtype).expand_as(flat)
    rank.scatter_(1, order, positions / flat.shape[1])
    return rank.view_as(maps)[:, None]


def _curve(
    probabilities: Callable[[Tensor], Tensor], start: Tensor, end: Tensor, rank: Tensor, target: Tensor, steps: int
) -> list[Tensor]:
    """Read the target's probability with shares 1/steps .. (steps - 1)/steps of the first pixels turned to ``end``."""
    shares = [step / steps for step in range(1, steps)]
    if not shares:
        return []
    scores = probabilities(torch.cat([torch.where(rank < share, end, start) for share in shares]))
    return [of_target(part, target) for part in scores.view(len(shares), len(start), -1)]


def of_target(scores: Tensor, target: Tensor) -> Tensor:
    """Take each image's score of its target class: (N, classes) and (N,) -> (N,) float32."""
    return scores.float().gather(1, target[:, None])[:, 0]


def _area(curve: list[Tensor]) -> Tensor:
    return torch.trapezoid(torch.stack(curve), dx=1 / (len(curve) - 1), dim=0)

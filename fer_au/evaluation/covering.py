"""Cover parts of faces without a trace: soft masks, colours grown in from around, and the same cover elsewhere.

A patch of one colour has an outline and a colour that no photograph has; a model reacts to these, whatever lies below.
So what is covered is filled with the colours around it, as in ROAD (Rong et al., ICML 2022), which shows that a filling
that can be seen tells the model about the shape of the mask. ROAD solves a linear system per image; here colours are
averaged over larger and larger cells until one holds some, and brought back smoothly (the pull-push scheme of Gortler
et al., The Lumigraph, SIGGRAPH 1996), on any device and for a whole batch at once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from fer_au.batches.similarities import warp
from fer_au.cues.regions import REGIONS
from fer_au.evaluation.blurring import blur_images

FEATURES = ("eyes", "brows", "nose", "mouth")
"""Regions that an expression shows in; the rest of the face is skin."""

_EDGE = 0.015  # sigma of a cover's soft edge, in sides of the image: a pixel or two
_RIM = 0.008  # that of a background, whose edge shows what it hides
_PLACES = 32  # rows and columns of the grid on which another place is sought
_ON_FEATURES, _OFF_THE_FACE, _OFF_THE_IMAGE = 2.0, 1.0, 3.0  # cost per cell that a cover hides there
_FARTHER = 1e-4  # cost per cell of distance: the nearest of equal places is taken


def region_mask(labels: Tensor, region: str) -> Tensor:
    """Draw where a region lies, with a soft edge outside of it; that of the background lies outside of the face, too.

    Args:
        labels: (N, H, W) of ``cues.regions.region_labels``.
        region: Name of the region.

    Returns:
        (N, 1, H, W) float32 in [0, 1]: 1 in the whole region. Of the background, 0 on the whole face.
    """
    if region == "background":
        face = labels != REGIONS.index("background")
        return 1 - _softened(face, _RIM)
    return _softened(labels == REGIONS.index(region), _EDGE)


def _softened(inside: Tensor, sigma: float) -> Tensor:
    hard = inside[:, None].float()
    return torch.maximum(hard, (2 * blur_images(hard, sigma)).clamp(max=1))


def skin(labels: Tensor) -> Tensor:
    """Tell which pixels are skin: of the face, and of no region that an expression shows in.

    Args:
        labels: (N, H, W) of ``cues.regions.region_labels``.

    Returns:
        (N, 1, H, W) bool.
    """
    return (labels == REGIONS.index("face"))[:, None]


def cover(images: Tensor, mask: Tensor, source: Tensor | None = None) -> Tensor:
    """Fill the masked part of images with the colours around it: of pixels that the mask doesn't touch at all.

    Args:
        images: (N, 3, H, W) float in [0, 1].
        mask: (N, 1, H, W) in [0, 1], 1 where nothing of the image may stay.
        source: (N, 1, H, W) bool: pixels whose colours are taken, such as skin, so that a filled cheek has no colour of
            the wall behind it; of an image that the mask leaves none of these, and without it, all others.

    Returns:
        (N, 3, H, W); an image that is touched everywhere is filled with black.
    """
    free = mask <= 0
    if source is not None:
        chosen = free & source
        free = torch.where(chosen.flatten(1).any(dim=1).view(-1, 1, 1, 1), chosen, free)
    around = free.to(images.dtype)
    return images + mask * (_grown(images * around, around) - images)


def _grown(colours: Tensor, weight: Tensor) -> Tensor:
    """Give every pixel a colour: its own where its weight is 1, else one from around.

    Args:
        colours: (N, 3, H, W), each pixel times its weight.
        weight: (N, 1, H, W) in [0, 1].
    """
    if weight.shape[-1] == weight.shape[-2] == 1:
        return colours / weight.clamp(min=1e-6)
    halves = [F.avg_pool2d(one, 2, ceil_mode=True, count_include_pad=False) for one in (colours, weight)]
    # A cell that holds some colour is known: its weight is raised to 1, so that near colours outweigh far ones.
    raised = (2 * halves[1]).clamp(max=1)
    coarse = _grown(halves[0] * raised / halves[1].clamp(min=1e-6), raised)
    size = (int(colours.shape[2]), int(colours.shape[3]))
    behind = F.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
    return colours + (1 - weight) * behind


def elsewhere(mask: Tensor, labels: Tensor) -> Tensor:
    """Shift a mask to the place on the same face where it hides least of what shows an expression.

    The cost of a place is the masked area on eyes, brows, nose and mouth, twice as high as off the face; the nearest of
    the cheapest places is taken.

    Args:
        mask: (N, 1, H, W) of ``region_mask``.
        labels: (N, H, W) of ``cues.regions.region_labels``.

    Returns:
        (N, 1, H, W) the shifted masks.
    """
    cost = torch.zeros_like(labels, dtype=torch.float32)
    for region in FEATURES:
        cost += _ON_FEATURES * (labels == REGIONS.index(region))
    cost += _OFF_THE_FACE * (labels == REGIONS.index("background"))
    grid, side = (_PLACES, _PLACES), 3 * _PLACES
    cells = F.adaptive_avg_pool2d(cost[:, None], grid)[:, 0]
    padding = (_PLACES,) * 4
    ground = F.pad(cells - _OFF_THE_IMAGE, padding) + _OFF_THE_IMAGE
    shape = F.adaptive_avg_pool2d(mask, grid)[:, 0]
    spectrum = torch.fft.rfft2(ground) * torch.fft.rfft2(shape, s=(side, side)).conj()
    hidden = torch.fft.irfft2(spectrum, s=(side, side))[:, 1 : 2 * _PLACES, 1 : 2 * _PLACES]  # by shifts of -31 .. 31
    shifts = torch.arange(1 - _PLACES, _PLACES, device=mask.device)
    distance = (shifts[:, None] ** 2 + shifts**2).float().sqrt()
    # Rounded, so that equal places stay equal however the transform rounds.
    best = ((hidden * 1e3).round() / 1e3 + _FARTHER * distance).flatten(1).argmin(dim=1)
    down, across = (shifts[index] * (2 / _PLACES) for index in (best // len(shifts), best % len(shifts)))
    ones, zeros = torch.ones_like(down), torch.zeros_like(down)
    moves = torch.stack([ones, zeros, across, zeros, ones, down], dim=1).view(-1, 2, 3)
    return warp(mask, moves, "zeros")

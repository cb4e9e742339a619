"""MixUp and CutMix: an image takes in a partner's pixels, and with them its label and its cue.

MixUp (Zhang et al., ICLR 2018, arXiv 1710.09412) blends two whole images; CutMix (Yun et al., ICCV 2019,
arXiv 1905.04899) pastes a rectangle of one into the other. Ratio and rectangle are drawn once per batch, as in both
papers' code. The partner is the neighbour in the batch, whose order is random: pairs then stay together when a batch is
divided among processes.

The AU-cue paper's CutMix runs paste the infinities that stand for "no map" of a neutral face into its host, which then
loses its guidance: more than a third of all images do. Here a cue counts wherever the pixels come from a face that has
one; where they don't, it is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from fer_au.config.experiments import AugmentConfig
from fer_au.training.pull import Targets


@dataclass(frozen=True)
class Mix:
    """The mixing of one batch.

    Attributes:
        stays: Share of each image that stays its own, in [0, 1].
        box: Top, bottom, left, right of the rectangle that the partner fills, as shares of the side; None where the
            partner shines through everywhere.
    """

    stays: float
    box: tuple[float, float, float, float] | None = None

    def own(self, height: int, width: int) -> Tensor:
        """Compute how much of each pixel or cell of a grid stays the image's own, (height, width) in [0, 1].

        The mean over a grid of any size is ``stays``: pixels on the rectangle's edge are shared by area.
        """
        if self.box is None:
            return torch.full((height, width), self.stays)
        top, bottom, left, right = self.box
        return (1 - torch.outer(_covered(height, top, bottom), _covered(width, left, right))).float()

    def images(self, images: Tensor) -> Tensor:
        """Mix images (N, C, H, W)."""
        own = self.own(*images.shape[-2:]).to(images)
        return torch.lerp(images[partners(len(images), images.device)], images, own)

    def shares(self, shares: Tensor) -> Tensor:
        """Mix the images' shares of the classes, (N, classes)."""
        return self.stays * shares + (1 - self.stays) * shares[partners(len(shares), shares.device)]

    def targets(self, target: Targets) -> Targets:
        """Mix the cues: each cell is the mean over the faces that it shows and whose cue is known there.

        An image counts as valid if any part of it is known.
        """
        partner = partners(len(target.maps), target.maps.device)
        own = self.own(*target.maps.shape[-2:]).to(target.maps)
        known = target.valid[:, None, None].to(target.maps) * (1 if target.known is None else target.known)
        maps = torch.where(known > 0, target.maps, 0.0)
        mine, theirs = own * known, (1 - own) * known[partner]
        part = mine + theirs
        mean = (mine * maps + theirs * maps[partner]) / torch.where(part > 0, part, 1.0)
        return Targets(mean, part.flatten(1).any(1), part)


def partners(count: int, device: torch.device) -> Tensor:
    """Pair the images of a batch: (N,) positions of the image that each takes from, which is a neighbour.

    The last of an odd number takes from its neighbour, and gives to none; a single image is its own partner.
    """
    partner = torch.arange(count, device=device) ^ 1
    return torch.where(partner < count, partner, max(count - 2, 0))


def draw_mix(config: AugmentConfig, generator: Generator) -> Mix | None:
    """Decide whether and how a batch is mixed; it is blended, or pasted into, or neither.

    Args:
        config: ``mixup``, ``mixup_alpha``, ``cutmix``, ``cutmix_alpha``.
        generator: A CPU generator.
    """
    if not config.mixup and not config.cutmix:
        return None
    seed = int(torch.randint(2**62, (), generator=generator))
    draws = np.random.Generator(np.random.Philox(key=seed))
    choice, row, column = draws.random(3)
    if choice < config.cutmix:
        side = float(np.sqrt(1 - draws.beta(config.cutmix_alpha, config.cutmix_alpha)))
        top, bottom, left, right = (
            min(max(float(at), 0.0), 1.0)
            for at in (row - side / 2, row + side / 2, column - side / 2, column + side / 2)
        )
        return Mix(1 - (bottom - top) * (right - left), (top, bottom, left, right))
    if choice < config.cutmix + config.mixup:
        return Mix(float(draws.beta(config.mixup_alpha, config.mixup_alpha)))
    return None


def _covered(cells: int, start: float, stop: float) -> Tensor:
    """Compute how much of each of some cells, which divide [0, 1], lies in an interval; float64."""
    edges = (torch.arange(cells + 1, dtype=torch.float64) / cells).clamp(start, stop)
    # Rounded, or a cell that is covered whole would keep a trace of its own.
    return ((edges[1:] - edges[:-1]) * cells).round(decimals=6)

"""Losses that measure how much attention lies where it should not: ``mass``, ``mass_sum``."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_au.training.losses.arithmetic import EPSILON
from fer_au.training.losses.base import LOSSES, GuidanceLoss


@LOSSES.register("mass")
class MassLoss(GuidanceLoss):
    """The share of positive attention that lies inside the target, in [0, 1].

    With the background as the target this is the background ratio of the csci5527 project. Unlike ``mass_sum`` it
    depends on neither the scale nor the grid of the map. A map without mass has no share: 0, and no gradient.
    """

    avoids = True

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Divide the mass inside by the whole; see ``GuidanceLoss.compare``."""
        mass = weight * attention.relu()
        total = mass.sum(dim=1)
        some = total > EPSILON
        return torch.where(some, (mass * target).sum(dim=1) / torch.where(some, total, 1.0), 0.0)


@LOSSES.register("mass_sum")
class MassSumLoss(GuidanceLoss):
    """The sum of positive attention inside the target: the background penalty of the csci5527 project, literally.

    It grows with the scale and the grid of the map, and a network may lower it by lowering all its attention.
    """

    avoids = True

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Sum the mass inside; see ``GuidanceLoss.compare``."""
        return (weight * attention.relu() * target).sum(dim=1)

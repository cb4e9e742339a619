"""Losses that compare the values of cells: ``l1``, ``l2``."""

from __future__ import annotations

from torch import Tensor

from fer_au.training.losses.arithmetic import cell_mean
from fer_au.training.losses.base import LOSSES, GuidanceLoss


@LOSSES.register("l1")
class L1Loss(GuidanceLoss):
    """Mean absolute difference of the cells, one of the AU-cue paper's alternatives; attention is not scaled."""

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare values; see ``GuidanceLoss.compare``."""
        return cell_mean((attention - target).abs(), weight)


@LOSSES.register("l2")
class L2Loss(GuidanceLoss):
    """Mean squared difference of the cells, one of the AU-cue paper's alternatives; attention is not scaled."""

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare values; see ``GuidanceLoss.compare``."""
        return cell_mean((attention - target).square(), weight)

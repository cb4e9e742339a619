"""A guidance loss: the largest difference of any cell."""

from __future__ import annotations

from torch import Tensor

from fer_au.training import GuidanceLoss


class LabLargest(GuidanceLoss):
    """The largest absolute difference of any cell that counts, with attention as a probability."""

    unit_interval = True

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Find the largest difference of each row."""
        return ((attention - target).abs() * (weight > 0)).amax(dim=1)

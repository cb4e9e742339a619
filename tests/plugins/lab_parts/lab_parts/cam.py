"""A CAM method: activations times gradients, summed over channels."""

from __future__ import annotations

from torch import Tensor

from fer_au.cam import CamInput, CamMethod


class LabProduct(CamMethod):
    """Each activation weighted by its own gradient, without rectification of either, then rectified."""

    def maps(self, batch: CamInput) -> Tensor:
        """Weigh activations."""
        return (batch.gradients() * batch.features).sum(1).relu()

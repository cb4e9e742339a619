"""The built-in CAM methods.

With a GAP-linear head of class weights w they have closed forms, which the tests check: Grad-CAM is ReLU(CAM) up to
scale, LayerCAM is the sum over c of ReLU(w_c) A_c.
"""

from __future__ import annotations

from torch import Tensor

from fer_au.cam.registry import CAMS, CamInput, CamMethod


@CAMS.register("native")
class Native(CamMethod):
    """The head's own class map: for ``gap`` the CAM of Zhou et al. (CVPR 2016); signed, without bias."""

    def maps(self, batch: CamInput) -> Tensor:
        """Take the head's map of each target."""
        maps: Tensor = batch.head.class_maps(batch.trunk)
        return maps[range(len(maps)), batch.target]


@CAMS.register("gradcam")
class GradCam(CamMethod):
    """Grad-CAM (Selvaraju et al., ICCV 2017, eqs. 1-2): channels weighted by their mean gradient, rectified."""

    def maps(self, batch: CamInput) -> Tensor:
        """Weigh channels."""
        weights = batch.gradients().mean((2, 3), keepdim=True)
        return (weights * batch.features).sum(1).relu()


@CAMS.register("gradcampp")
class GradCamPlusPlus(CamMethod):
    """Grad-CAM++ (Chattopadhay et al., WACV 2018), for the exponential of the logit as its authors take it.

    The pixel weight g^2 / (2 g^2 + S g^3), S being a channel's sum of activations, is reduced by g^2. The method
    presumes activations >= 0; negative ones are left out of S, or the denominator could vanish.
    """

    def maps(self, batch: CamInput) -> Tensor:
        """Weigh channels by their weighted pixels."""
        gradients = batch.gradients().relu()  # where the gradient is negative the pixel counts for nothing
        total = batch.features.relu().sum((2, 3), keepdim=True)
        weights = (gradients / (2 + gradients * total)).sum((2, 3), keepdim=True)
        return (weights * batch.features).sum(1).relu()


@CAMS.register("layercam")
class LayerCam(CamMethod):
    """LayerCAM (Jiang et al., TIP 2021): each activation weighted by its own rectified gradient, rectified."""

    def maps(self, batch: CamInput) -> Tensor:
        """Weigh activations."""
        return (batch.gradients().relu() * batch.features).sum(1).relu()

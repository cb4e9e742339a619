"""The head's own class map, and the CAM methods that weigh a layer's activations by gradients.

All of the latter are rectified: cells that speak against the class are 0. With a GAP-linear head of class weights w
they have closed forms on the final map, which the tests check: Grad-CAM, XGrad-CAM and HiResCAM are ReLU(CAM) up to
scale, LayerCAM is the sum over c of ReLU(w_c) A_c.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fer_au.cam.forward import CamInput
from fer_au.cam.registry import CAMS, CamMethod
from fer_au.errors import ConfigError
from fer_au.models.network import FerModel

# A channel whose sum is below this share of its absolute sum has none, but for float32 rounding.
_BALANCED = 1e-6
# A map whose sums over channels are this small a share of their terms is rounding.
_CANCELLED = 1e-5


@CAMS.register("native")
class Native(CamMethod):
    """The head's own class map: for ``gap`` the CAM of Zhou et al. (CVPR 2016); signed, without bias."""

    layered = False
    needs_gradients = False

    def check(self, model: FerModel) -> None:
        """Make sure that the classifier is a head of this project, which knows how it scores a place.

        Raises:
            ConfigError: The network was made elsewhere.
        """
        if model.scores_itself:
            raise ConfigError("an external model has no class map of its own; try gradcam, layercam or occlusion")

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


@CAMS.register("gradcam++")
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


@CAMS.register("xgradcam")
class XGradCam(CamMethod):
    """XGrad-CAM (Fu et al., BMVC 2020): channels weighted by their gradient's mean over their activation, rectified.

    Before the rectification a map sums up to what the linear model around the picture owes to the layer. A signed
    channel whose cells cancel out has no such mean, and is left out.
    """

    def maps(self, batch: CamInput) -> Tensor:
        """Weigh channels."""
        features = batch.features
        total, size = features.sum((2, 3), keepdim=True), features.abs().sum((2, 3), keepdim=True)
        defined = total.abs() > _BALANCED * size
        owed = (batch.gradients() * features).sum((2, 3), keepdim=True)
        weights = torch.where(defined, owed / torch.where(defined, total, 1.0), 0.0)
        return (weights * features).sum(1).relu()


@CAMS.register("hirescam")
class HiResCam(CamMethod):
    """HiResCAM (Draelos and Carin, 2020): each activation weighted by its own gradient, summed, then rectified.

    A layer that a layer norm reads has no such map: the norm ignores the length of what it reads, so that its gradient
    is orthogonal to it, and the sums are rounding. They are taken for 0.
    """

    def maps(self, batch: CamInput) -> Tensor:
        """Weigh activations."""
        products = batch.gradients() * batch.features
        maps, size = products.sum(1).relu(), products.abs().sum(1)
        cancelled = maps.amax((1, 2), keepdim=True) <= _CANCELLED * size.amax((1, 2), keepdim=True)
        return torch.where(cancelled, 0.0, maps)


@CAMS.register("layercam")
class LayerCam(CamMethod):
    """LayerCAM (Jiang et al., TIP 2021): each activation weighted by its own rectified gradient, rectified."""

    def maps(self, batch: CamInput) -> Tensor:
        """Weigh activations."""
        return (batch.gradients().relu() * batch.features).sum(1).relu()

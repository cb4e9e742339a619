"""CAM methods that explain the pixels of the face, by gradients of the target logit; maps have the image's size.

The evidence of a pixel is the sum over its channels, rectified. Of models that see the whole picture, too, only the
face is explained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from fer_au.cam.forward import CamInput
from fer_au.cam.methods import GradCam
from fer_au.cam.registry import CAMS, CamMethod
from fer_au.errors import ConfigError
from fer_au.models.network import FerModel
from fer_au.resizing import resize_maps

_STEPS = 32  # of the path integral; each costs a forward and a backward pass


@CAMS.register("integrated_gradients")
class IntegratedGradients(CamMethod):
    """Integrated gradients (Sundararajan et al., ICML 2017), from an image of the mean colour on: 0, once normalised.

    The path integral is taken by Gauss and Legendre's rule with 32 nodes, one batch for each, so that memory doesn't
    grow with their number.
    """

    layered = False

    def maps(self, batch: CamInput) -> Tensor:
        """Integrate along the way from the empty to the whole image."""
        face = batch.images[:, : batch.model.config.channels]
        nodes, weights = np.polynomial.legendre.leggauss(_STEPS)
        total = torch.zeros_like(face, dtype=torch.float32)
        for node, weight in zip(nodes, weights, strict=True):
            total += float(weight) / 2 * batch.image_gradients(batch.images * ((float(node) + 1) / 2))
        return (total * face).sum(1).relu()


@CAMS.register("guided_gradcam")
class GuidedGradCam(CamMethod):
    """Guided Grad-CAM (Selvaraju et al., ICCV 2017, section 3.2): Grad-CAM, enlarged, times guided backpropagation.

    Guided backpropagation (Springenberg et al., ICLR 2015) drops negative gradients at every ReLU. Networks of other
    activations have none of it.
    """

    def check(self, model: FerModel) -> None:
        """Make sure that the backbone's activations are ReLUs.

        Raises:
            ConfigError: It has none.
        """
        if not any(isinstance(module, nn.ReLU | nn.ReLU6) for module in model.backbone.modules()):
            raise ConfigError(
                f"guided backpropagation needs ReLU activations, and backbone {model.config.backbone!r} has none; try "
                "a resnet, or gradcam"
            )

    def maps(self, batch: CamInput) -> Tensor:
        """Multiply both."""
        with _GuidedReLUs():
            guided = batch.image_gradients(batch.images)
        coarse = resize_maps(GradCam().maps(batch), (guided.shape[2], guided.shape[3]))
        return (guided * coarse[:, None]).sum(1).relu()


class _GuidedReLUs(TorchFunctionMode):
    """While it is on, ReLUs let only positive gradients through: modules and functions alike, without a hook on any."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 - what torch says
        options: Mapping[str, Any] = kwargs or {}
        output = func(*args, **options)
        if _is_relu(func, args, options) and output.requires_grad:
            output.register_hook(_positive)
        return output


def _is_relu(func: object, args: tuple[Any, ...], options: Mapping[str, Any]) -> bool:
    if func in (functional.hardtanh, functional.hardtanh_):
        return bool((args[1] if len(args) > 1 else options.get("min_val", -1.0)) == 0)
    return func in (functional.relu, functional.relu6, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_)


def _positive(gradient: Tensor) -> Tensor:
    return gradient.clamp(min=0)

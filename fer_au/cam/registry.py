"""What a CAM method is, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fer_au.models.parts import Head, TrunkOutput
from fer_au.registry import Registry


@dataclass(frozen=True)
class CamInput:
    """What a CAM method sees of a batch: the features, and the head that turns them into scores.

    Attributes:
        head: Of the model, in evaluation mode.
        trunk: What the head is given, without gradient history.
        target: (N,) int64 class indices.
    """

    head: Head
    trunk: TrunkOutput
    target: Tensor

    @property
    def features(self) -> Tensor:
        """The final feature map (N, c, h, w), float32."""
        return self.trunk.final.detach().float()

    def gradients(self) -> Tensor:
        """Gradient of each image's target logit with respect to its features, (N, c, h, w).

        Only the head is differentiated, so the cost doesn't depend on the backbone; parameters gather nothing.
        """
        with torch.enable_grad():
            features = self.features.requires_grad_()
            logits = self.head(self.trunk._replace(final=features)).logits
            (gradients,) = torch.autograd.grad(logits.gather(1, self.target[:, None]).sum(), features)
        return gradients


CamMethod = Callable[[CamInput], Tensor]
"""Raw maps (N, h, w) of the target classes, signed or rectified as the method defines it."""

CAMS: Registry[CamMethod] = Registry(
    "CAM method",
    "fer_au.cams",
    built_in=dict.fromkeys(("gradcam", "gradcampp", "layercam", "native"), "fer_au.cam.methods"),
)


def list_cams() -> list[str]:
    """Names of the available CAM methods.

    Example:
        >>> {"gradcam", "layercam", "native"} <= set(list_cams())
        True
    """
    return CAMS.names()


def cam_method(name: str) -> CamMethod:
    """The CAM method of that name.

    Raises:
        UnknownNameError: There is none; the message lists near names.
    """
    return CAMS.get(name)

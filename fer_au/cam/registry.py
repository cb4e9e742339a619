"""CAM methods: their base class, their input, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from fer_au.models.parts import Head, TrunkOutput
from fer_au.registry import Registry


@dataclass(frozen=True)
class CamInput:
    """Input of a CAM method: the features of a batch, and the head that turns them into scores.

    Attributes:
        head: The model's head, in evaluation mode.
        trunk: Features that the head is given, without gradient history.
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
        """Differentiate each image's target logit by its features, (N, c, h, w).

        Only the head is differentiated, so the cost doesn't depend on the backbone; parameters gather nothing.
        """
        with torch.enable_grad():
            features = self.features.requires_grad_()
            logits = self.head(self.trunk._replace(final=features)).logits
            (gradients,) = torch.autograd.grad(logits.gather(1, self.target[:, None]).sum(), features)
        return gradients


class CamMethod(ABC):
    """Base of the CAM methods. A subclass defines ``maps``, and registers under a name."""

    @abstractmethod
    def maps(self, batch: CamInput) -> Tensor:
        """Compute raw maps (N, h, w) of the target classes, signed or rectified as the method defines it."""


CAMS: Registry[type[CamMethod]] = Registry(
    "CAM method",
    "fer_au.cams",
    built_in={
        "gradcam": "fer_au.cam.methods",
        "gradcampp": "fer_au.cam.methods",
        "layercam": "fer_au.cam.methods",
        "native": "fer_au.cam.methods",
    },
    base=CamMethod,
)


def list_cams() -> list[str]:
    """List the names of the available CAM methods.

    Example:
        >>> {"gradcam", "layercam", "native"} <= set(list_cams())
        True
    """
    return CAMS.names()


def create_cam(name: str) -> CamMethod:
    """Make the CAM method of a name.

    Raises:
        UnknownNameError: No method has that name; the message lists near names.
    """
    return CAMS.get(name)()

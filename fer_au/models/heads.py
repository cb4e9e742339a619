"""Classifier heads on a backbone's last feature map."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_au.registry import Registry


class Head(nn.Module, ABC):
    """Contract of a head: class scores and class maps from a feature map, both in float32 whatever autocast does.

    Args:
        channels: Channels of the feature map.
        classes: Number of classes.
    """

    @abstractmethod
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Score a feature map (N, channels, h, w).

        Returns:
            Logits (N, classes), and the head's own attention map (N, h, w) or None if it has none.
        """

    @abstractmethod
    def class_maps(self, features: Tensor) -> Tensor:
        """The head's native evidence map of each class, (N, classes, h, w), signed and without bias."""


HEADS: Registry[type[Head]] = Registry("head", "fer_au.heads")


def list_heads() -> list[str]:
    """Names of the available heads."""
    return HEADS.names()


@HEADS.register("gap")
class GapHead(Head):
    """Global average pooling and one linear layer (Zhou et al., CVPR 2016).

    Fresh weights are Xavier-uniform and the bias is 0, as in the AU-cue paper.
    The logits equal the spatial means of the class maps plus the bias.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(channels, classes)
        self.linear = nn.Linear(channels, classes)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Score a feature map; this head has no attention map of its own."""
        with torch.autocast(features.device.type, enabled=False):
            pooled = features.float().mean((2, 3))
            return functional.linear(pooled, self.linear.weight.float(), self.linear.bias.float()), None

    def class_maps(self, features: Tensor) -> Tensor:
        """CAM: sum over channels of the class's weight times the feature map."""
        with torch.autocast(features.device.type, enabled=False):
            return functional.conv2d(features.float(), self.linear.weight.float()[:, :, None, None])

"""What a whole network promises, and the registry of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from fer_au.models.heads.base import Head
from fer_au.models.trunk import TrunkOutput
from fer_au.registry import Registry


class Trunk(nn.Module, ABC):
    """The part of a network that makes feature maps.

    Attributes:
        layers: Names of the feature layers, ``"1"`` to ``"L"`` in network order.
        channels: Channels of the final map.
    """

    layers: tuple[str, ...]
    channels: int

    @abstractmethod
    def forward(self, x: Tensor) -> TrunkOutput:
        """Compute the features of normalised images (N, in_chans, H, W)."""


@dataclass(frozen=True)
class Net:
    """How to build a whole network.

    Attributes:
        trunk: Makes the trunk, given the channels of the input; keywords are ``model.backbone_options``.
        head: Makes the classifier, given the trunk's channels and the number of classes; keywords are
            ``model.head_options``.
    """

    trunk: Callable[..., Trunk]
    head: Callable[..., Head]


_STACKED = ("csci-cnn", *(f"gimefive-{name}" for name in ("10", "13", "15", "15d", "16", "17", "vgg")))
_RESIDUAL = ("gimefive-25", "gimefive-resnet18", "gimefive-resnet34")

NETS: Registry[Net] = Registry(
    "network",
    "fer_au.nets",
    built_in={
        **dict.fromkeys(_STACKED, "fer_au.models.nets.stacked"),
        **dict.fromkeys(_RESIDUAL, "fer_au.models.nets.residual"),
    },
)

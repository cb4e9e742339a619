"""The registry of whole networks: a trunk and a head that belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fer_au.models.parts import Head, Trunk
from fer_au.registry import Registry


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

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


NETS: Registry[Net] = Registry(
    "network",
    "fer_au.nets",
    built_in={
        "csci-cnn": "fer_au.models.nets.stacked",
        "gimefive-10": "fer_au.models.nets.stacked",
        "gimefive-13": "fer_au.models.nets.stacked",
        "gimefive-15": "fer_au.models.nets.stacked",
        "gimefive-15d": "fer_au.models.nets.stacked",
        "gimefive-16": "fer_au.models.nets.stacked",
        "gimefive-17": "fer_au.models.nets.stacked",
        "gimefive-25": "fer_au.models.nets.residual",
        "gimefive-resnet18": "fer_au.models.nets.residual",
        "gimefive-resnet34": "fer_au.models.nets.residual",
        "gimefive-vgg": "fer_au.models.nets.stacked",
    },
)

"""The registry of networks of the project: whole ones, which bring a head of their own, and trunks that take any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from fer_au.config.options import PartOptions, construct_part
from fer_au.errors import ConfigError
from fer_au.models.parts import Head, Trunk
from fer_au.registry import Registry


class Net(Trunk):
    """Base of networks of the project.

    Args:
        in_chans: Channels of the input.
        options: Options of the trunk (``model.backbone_options``).

    Attributes:
        Options: Options of the trunk, with types, defaults and descriptions.
        head: Class of a whole network's own head, made with the trunk's channels and the number of classes; its options
            are ``model.head_options``. None for a trunk that takes any head, as ``model.head`` names it.
        foreign_names: Names of tensors in the usual weights files -> names of the trunk's own, where they differ.
        options: Options of this instance.
    """

    Options: ClassVar[type[PartOptions]] = PartOptions
    head: ClassVar[type[Head] | None] = None
    foreign_names: ClassVar[Mapping[str, str]] = {}
    options: PartOptions

    def __init__(self, in_chans: int, **options: object) -> None:
        super().__init__()
        self.options = self.Options.model_validate(options)

    def hold_stride(self, stride: int, dilated: bool) -> None:
        """Keep the final map at a stride, once and before the network is used.

        Args:
            stride: Input pixels per cell of the final map.
            dilated: Whether the layers behind a stride that is left out are dilated instead, and see as far as before.

        Raises:
            ConfigError: The network can't have this stride.
        """
        raise ConfigError(f"network {self.name!r} doesn't take it: its strides are fixed")


NETS: Registry[type[Net]] = Registry(
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
        "sface": "fer_au.models.nets.sface",
    },
    base=Net,
)


def create_net(name: str, in_chans: int, options: dict[str, object]) -> Net:
    """Make the trunk of a network with fresh weights.

    Raises:
        UnknownNameError: There is no such network; near names are listed.
        ConfigError: It doesn't have an option, or refuses its value.
    """
    owner = f"{NETS.kind} {name!r}"
    trunk = construct_part(NETS.get(name), options, in_chans, key="model.backbone_options", owner=owner)
    trunk.name = name
    return trunk


def own_head(backbone: str) -> type[Head] | None:
    """Return the class of the head that a whole network brings; None for every other backbone, which takes any head."""
    return NETS.get(backbone).head if backbone in NETS.names() else None

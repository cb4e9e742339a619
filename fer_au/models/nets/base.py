"""The registry of whole networks: trunks that bring a head of their own."""

from __future__ import annotations

from typing import ClassVar

from fer_au.config.options import PartOptions, construct_part
from fer_au.models.parts import Head, Trunk
from fer_au.registry import Registry


class Net(Trunk):
    """Base of whole networks.

    Args:
        in_chans: Channels of the input.
        options: Options of the trunk (``model.backbone_options``).

    Attributes:
        Options: Options of the trunk, with types, defaults and descriptions.
        head: Class of the network's head, made with the trunk's channels and the number of classes; its options are
            ``model.head_options``.
        options: Options of this instance.
    """

    Options: ClassVar[type[PartOptions]] = PartOptions
    head: ClassVar[type[Head]]
    options: PartOptions

    def __init__(self, in_chans: int, **options: object) -> None:
        super().__init__()
        self.options = self.Options.model_validate(options)


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
    },
    base=Net,
)


def create_net(
    name: str, in_chans: int, classes: int, trunk_options: dict[str, object], head_options: dict[str, object]
) -> tuple[Net, Head]:
    """Make the two parts of a whole network with fresh weights.

    Raises:
        UnknownNameError: There is no such network; near names are listed.
        ConfigError: Trunk or head doesn't have an option, or refuses its value.
    """
    net, owner = NETS.get(name), f"{NETS.kind} {name!r}"
    trunk = construct_part(net, trunk_options, in_chans, key="model.backbone_options", owner=owner)
    trunk.name = name
    return trunk, construct_part(net.head, head_options, trunk.channels, classes, key="model.head_options", owner=owner)

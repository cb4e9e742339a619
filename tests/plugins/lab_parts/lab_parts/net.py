"""A whole network: two convolutions and head ``gap``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import PositiveInt
from torch import nn

from fer_au.config.options import PartOptions
from fer_au.models.heads.gap import GapHead
from fer_au.models.nets.blocks import BlockNet
from fer_au.models.parts import Head


class LabTiny(BlockNet):
    """Two convolutions of stride 2."""

    class Options(PartOptions):
        """Options of the network.

        Attributes:
            width: Channels of both convolutions.
        """

        width: PositiveInt = 16

    options: Options
    head: ClassVar[type[Head]] = GapHead

    def build(self, in_chans: int) -> tuple[Sequence[nn.Module], int]:
        """Build the convolutions."""
        width = self.options.width
        pairs = ((in_chans, width), (width, width))
        return [nn.Sequential(nn.Conv2d(*pair, 3, stride=2, padding=1), nn.ReLU()) for pair in pairs], width

"""Residual networks of the GiMeFive project: ``gimefive-resnet18``, ``-resnet34`` and the 25-layer ``gimefive-25``.

Source: Wang and Kawka, arXiv 2402.15662, and the code published with it. The ResNets have no max pooling after their
stem, so that 64 px images end in 4 x 4 maps; their classifier is head ``gap``, whose fresh weights are Xavier-uniform
instead of torch's default. ``gimefive-25`` has a bias in every convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from pydantic import field_validator
from torch import nn

from fer_au.config.options import Counts, PartOptions
from fer_au.models.heads.gap import GapHead
from fer_au.models.nets.base import NETS
from fer_au.models.nets.blocks import BlockNet, ResidualBlock, SqueezeExcitation
from fer_au.models.nets.stacked import WideHead
from fer_au.models.parts import Head


@NETS.register("gimefive-resnet18")
class ResNet18(BlockNet):
    """A 7 x 7 stem of stride 2 and four stages of basic blocks."""

    class Options(PartOptions):
        """Options of the residual networks.

        Attributes:
            depths: Blocks of each of the four stages.
        """

        depths: Counts = (2, 2, 2, 2)

        @field_validator("depths")
        @classmethod
        def _four(cls, depths: tuple[int, ...]) -> tuple[int, ...]:
            if len(depths) != 4:
                raise ValueError("should be four whole numbers")
            return depths

    options: Options
    head: ClassVar[type[Head]] = GapHead

    def build(self, in_chans: int) -> tuple[Sequence[nn.Module], int]:
        """Build stem and stages."""
        widths = (64, 64, 128, 256, 512)
        stem = [nn.Conv2d(in_chans, widths[0], 7, 2, padding=3, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
        stages = [nn.Sequential(*stem)]
        for (inputs, width), depth in zip(pairwise(widths), self.options.depths, strict=True):
            first = ResidualBlock(inputs, width, 1 if inputs == width else 2, bias=False)
            stages.append(nn.Sequential(first, *(ResidualBlock(width, width, 1, bias=False) for _ in range(depth - 1))))
        return stages, widths[-1]


@NETS.register("gimefive-resnet34")
class ResNet34(ResNet18):
    """The network of ``gimefive-resnet18`` with more blocks in its stages."""

    class Options(ResNet18.Options):
        """Options of ``gimefive-resnet34``."""

        depths: Counts = (3, 4, 6, 3)


class UnpooledWideHead(WideHead):
    """``WideHead`` without max pooling."""

    class Options(WideHead.Options):
        """Options of the head of ``gimefive-25``."""

        max_pool: bool = False


@NETS.register("gimefive-25")
class Gimefive25(BlockNet):
    """A convolution with squeeze-and-excitation, and five residual blocks of stride 2."""

    head: ClassVar[type[Head]] = UnpooledWideHead

    def build(self, in_chans: int) -> tuple[Sequence[nn.Module], int]:
        """Build stem and residual blocks."""
        widths = (64, 128, 256, 512, 1024, 2048)
        stem = nn.Sequential(
            nn.Conv2d(in_chans, widths[0], 3, padding=1),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
            SqueezeExcitation(widths[0]),
        )
        return [stem, *(ResidualBlock(*pair, stride=2, bias=True) for pair in pairwise(widths))], widths[-1]

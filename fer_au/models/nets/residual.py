"""Residual networks of the GiMeFive project: ``gimefive-resnet18``, ``-resnet34`` and the 25-layer ``gimefive-25``.

Source: Wang and Kawka, arXiv 2402.15662, and the code published with it. The ResNets have no max pooling after their
stem, so that 64 px images end in 4 x 4 maps; their classifier is head ``gap``, whose fresh weights are Xavier-uniform
instead of torch's default. ``gimefive-25`` has a bias in every convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from torch import nn

from fer_au.models.heads.gap import GapHead
from fer_au.models.nets.base import NETS, Net
from fer_au.models.nets.blocks import BlockTrunk, ResidualBlock, SqueezeExcitation
from fer_au.models.nets.stacked import wide_head
from fer_au.models.options import counts


def resnet_trunk(in_chans: int, depths: Sequence[int]) -> BlockTrunk:
    """A 7 x 7 stem of stride 2 and four stages of basic blocks.

    Args:
        in_chans: Channels of the input.
        depths: Blocks of each stage.

    Raises:
        ValueError: Not four whole numbers.
    """
    if len(counts("depths", depths)) != 4:
        raise ValueError(f"depths must be four whole numbers, not {depths!r}")
    widths = (64, 64, 128, 256, 512)
    stem = [nn.Conv2d(in_chans, widths[0], 7, 2, padding=3, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    stages = [nn.Sequential(*stem)]
    for (inputs, width), depth in zip(pairwise(widths), depths, strict=True):
        first = ResidualBlock(inputs, width, 1 if inputs == width else 2, bias=False)
        stages.append(nn.Sequential(first, *(ResidualBlock(width, width, 1, bias=False) for _ in range(depth - 1))))
    return BlockTrunk(stages, widths[-1])


def excited_trunk(in_chans: int) -> BlockTrunk:
    """A convolution with squeeze-and-excitation, and five residual blocks of stride 2."""
    widths = (64, 128, 256, 512, 1024, 2048)
    stem = nn.Sequential(
        nn.Conv2d(in_chans, widths[0], 3, padding=1),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(),
        SqueezeExcitation(widths[0]),
    )
    return BlockTrunk([stem, *(ResidualBlock(*pair, stride=2, bias=True) for pair in pairwise(widths))], widths[-1])


NETS.register("gimefive-resnet18")(Net(partial(resnet_trunk, depths=(2, 2, 2, 2)), GapHead))
NETS.register("gimefive-resnet34")(Net(partial(resnet_trunk, depths=(3, 4, 6, 3)), GapHead))
NETS.register("gimefive-25")(Net(excited_trunk, partial(wide_head, max_pool=False)))

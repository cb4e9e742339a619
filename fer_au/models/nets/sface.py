"""Network ``sface``: the face-recognition network of OpenCV's model zoo, as a trunk that takes any head.

Source: Zhong, Deng, Hu, Zhao, Li and Wen: SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition, IEEE
TIP 2021. The published file is a MobileNet (Howard et al., arXiv 1704.04861) without a stride in its stem and with
PReLUs: 112 px faces, brought to the five-point template ``arcface``, end in maps of 7 x 7 cells. What follows there, a
linear layer from these maps to 128 numbers that tell persons apart, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, cast

from torch import nn

from fer_au.errors import ConfigError
from fer_au.models.nets.base import NETS
from fer_au.models.nets.blocks import BlockNet
from fer_au.models.strides import hold_stride

_WIDTHS = (32, 64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)  # of the stem, and of each pair of layers
_HALVING = (2, 4, 6, 12)  # pairs of layers, counted from 1, whose first layer has stride 2
_EPSILON = 1e-3
_SLOPE = 0.25  # of a fresh PReLU
# Names of a layer's parts: theirs -> ours.
_LEAVES = {
    "conv2d_weight": "conv.weight",
    "batchnorm_gamma": "norm.weight",
    "batchnorm_beta": "norm.bias",
    "batchnorm_moving_mean": "norm.running_mean",
    "batchnorm_moving_var": "norm.running_var",
    "relu_gamma": "act.weight",
}
# What the file holds behind the last layer, and the scale of pixels, which a model's preprocessing has.
_NORM = ("gamma", "beta", "moving_mean", "moving_var")
_NOT_OURS = {"bn1": _NORM, "pre_fc1": ("weight", "bias"), "fc1": _NORM, "scalar": ("op1", "op2")}


class Layer(nn.Sequential):
    """Convolution, batch norm and PReLU.

    Args:
        inputs: Channels of the input.
        channels: Channels of the output.
        side: Side of the kernel.
        stride: Stride of the convolution.
        groups: Groups of channels that don't see one another.
    """

    def __init__(self, inputs: int, channels: int, side: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, side, stride, padding=side // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(channels, eps=_EPSILON)
        self.act = nn.PReLU(channels, init=_SLOPE)
        # torch's default would shrink what passes, which after 27 layers with frozen statistics is nothing.
        nn.init.kaiming_normal_(self.conv.weight, a=_SLOPE)


def _foreign_names() -> Iterator[tuple[str, str]]:
    """Yield pairs of tensor names (theirs, ours)."""
    layers = ["conv_1", *(f"conv_{pair}{kind}" for pair in range(2, len(_WIDTHS) + 1) for kind in ("_dw", ""))]
    for position, layer in enumerate(layers):
        for theirs, own in _LEAVES.items():
            yield f"{layer}_{theirs}", f"blocks.{position}.{own}"


@NETS.register("sface")
class SFace(BlockNet):
    """A stem of 3 x 3, then 13 pairs of layers: 3 x 3 on each channel alone, and 1 x 1 across channels."""

    foreign_names: ClassVar[Mapping[str, str]] = dict(_foreign_names())
    dropped = tuple(f"{layer}_{leaf}" for layer, leaves in _NOT_OURS.items() for leaf in leaves)

    def build(self, in_chans: int) -> tuple[Sequence[nn.Module], int]:
        """Build the 27 layers."""
        layers = [Layer(in_chans, _WIDTHS[0], 3)]
        for number, (inputs, width) in enumerate(pairwise(_WIDTHS), 1):
            layers.append(Layer(inputs, inputs, 3, 2 if number in _HALVING else 1, groups=inputs))
            layers.append(Layer(inputs, width, 1))
        return layers, _WIDTHS[-1]

    def hold_stride(self, stride: int, dilated: bool) -> None:
        """Leave out the strides behind ``stride``.

        Raises:
            ConfigError: The network has less than ``stride`` all in all.
        """
        convolutions = (part for part in self.blocks.modules() if isinstance(part, nn.Conv2d))
        reached = hold_stride(convolutions, stride, dilated)
        if reached != stride:
            raise ConfigError(f"backbone {self.name!r} has output stride {reached} and can't be built with {stride}")

    def block_stages(self) -> list[tuple[list[nn.Module], int]]:
        """List the layers that end the pairs of each width."""
        stages: dict[int, list[nn.Module]] = {}
        for block in list(self.blocks)[2::2]:
            stages.setdefault(cast(Layer, block).conv.out_channels, []).append(block)
        return [(blocks, channels) for channels, blocks in stages.items()]

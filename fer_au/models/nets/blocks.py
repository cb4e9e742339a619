"""Building blocks of the whole networks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from fer_au.models.nets.base import Net
from fer_au.models.parts import TrunkOutput


class BlockNet(Net):
    """Base of networks that are a chain of blocks, each of which gives a feature layer: its last activation's output.

    Pooling and dropout between two blocks belong to the second block, so a layer's map is taken before the pooling: it
    has twice the resolution, and a CAM of the last layer sees the features after ReLU.
    """

    def __init__(self, in_chans: int, **options: object) -> None:
        super().__init__(in_chans, **options)
        blocks, self.channels = self.build(in_chans)
        self.blocks = nn.ModuleList(blocks)
        self.layers = tuple(str(number + 1) for number in range(len(blocks)))

    @abstractmethod
    def build(self, in_chans: int) -> tuple[Sequence[nn.Module], int]:
        """Build the blocks with fresh weights, in network order.

        Returns:
            Blocks, and the channels of the last block's output.
        """

    def cut(self, layer: str) -> None:
        """End the network after one of its blocks."""
        self.blocks = self.blocks[: self.layers.index(layer) + 1]
        self.channels = [part for part in self.blocks.modules() if isinstance(part, nn.Conv2d)][-1].out_channels

    def forward(self, x: Tensor) -> TrunkOutput:
        """Compute the features of normalised images (N, in_chans, H, W)."""
        features = {}
        for layer, block in zip(self.layers, self.blocks, strict=True):
            x = block(x)
            features[layer] = x
        return TrunkOutput(x, features)


class SqueezeExcitation(nn.Module):
    """Gate that weighs channels by their means (Hu et al., CVPR 2018): two linear layers without bias.

    Args:
        channels: Channels of the map.
        reduction: Divisor of the channels that gives the hidden layer's width, which is 1 at least.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)  # without a hidden unit the gate would be a half, whatever it sees
        self.gate = nn.Sequential(
            nn.Linear(channels, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the channels of (N, c, h, w)."""
        weights: Tensor = self.gate(x.mean((2, 3)))
        return x * weights[:, :, None, None]


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al., CVPR 2016), which is 1 x 1 where the shape changes.

    Args:
        inputs: Channels of the input.
        channels: Channels of the output.
        stride: Stride of the first convolution.
        bias: Whether convolutions before a batch norm have a bias, which is without effect.
    """

    def __init__(self, inputs: int, channels: int, stride: int, bias: bool) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, channels, 3, stride, padding=1, bias=bias),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=bias),
            nn.BatchNorm2d(channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != channels:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=bias), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, h, w) to (N, channels, h / stride, w / stride)."""
        y: Tensor = self.residual(x) + self.shortcut(x)
        return y.relu()

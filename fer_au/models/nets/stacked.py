"""Networks of stacked convolutions: ``gimefive-10`` to ``-17``, ``gimefive-vgg``, ``csci-cnn``.

Sources: Wang and Kawka, "GiMeFive: Towards Interpretable Facial Emotion Classification" (arXiv 2402.15662) and its
preliminary report, whose numbers of layers are the names here; and the small CNN of the course project csci5527. Their
parameter counts are the published ones. Linear and convolutional weights start as torch's default, as there.

The 10-, 15-, 16- and 17-layer networks are described and not published as code: where the 16-layer one has its
squeeze-and-excitation (here after the first activation) follows from its parameter count and from its 25-layer sister.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from fer_au.models.heads.mlp import MlpHead
from fer_au.models.nets.base import NETS, Net
from fer_au.models.nets.blocks import BlockTrunk, SqueezeExcitation


def stacked_trunk(
    in_chans: int, widths: Sequence[int], *, batch_norm: bool = True, dropout: float = 0.0, excitation: bool = False
) -> BlockTrunk:
    """Blocks of one 3 x 3 convolution, batch norm and ReLU, with 2 x 2 max pooling between them.

    Args:
        in_chans: Channels of the input.
        widths: Channels of the blocks.
        batch_norm: Whether there is one.
        dropout: Share of the values that training drops after each pooling.
        excitation: Whether the first block ends in a squeeze-and-excitation.
    """
    blocks = []
    for number, (inputs, width) in enumerate(pairwise([in_chans, *widths])):
        layers: list[nn.Module] = [nn.MaxPool2d(2), nn.Dropout(dropout)] if number else []
        layers.append(nn.Conv2d(inputs, width, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU())
        if excitation and not number:
            layers.append(SqueezeExcitation(width))
        blocks.append(nn.Sequential(*layers))
    return BlockTrunk(blocks, widths[-1])


class SharedNormPair(nn.Module):
    """Two 3 x 3 convolutions with ReLU and dropout between, which share one batch norm.

    The shared norm, whose running statistics mix those of both convolutions, is what ``gimefive-vgg`` was published
    with; its parameter count has it so.

    Args:
        inputs: Channels that come in.
        channels: Channels that go out.
        dropout: Share of the values that training drops between the convolutions.
    """

    def __init__(self, inputs: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, channels, h, w)."""
        x = self.dropout(self.norm(self.first(x)).relu())
        y: Tensor = self.norm(self.second(x))
        return y.relu()


def vgg_trunk(in_chans: int) -> BlockTrunk:
    """Three pairs of convolutions, with 2 x 2 max pooling between the pairs."""
    widths = (64, 128, 256)
    first, *others = (SharedNormPair(inputs, width, 0.2) for inputs, width in pairwise([in_chans, *widths]))
    return BlockTrunk([first, *(nn.Sequential(nn.MaxPool2d(2), pair) for pair in others)], widths[-1])


def wide_head(channels: int, classes: int, *, max_pool: bool = True) -> MlpHead:
    """GiMeFive's classifier: two hidden layers, twice as wide as the features and as wide, dropout between them."""
    return MlpHead(channels, classes, hidden=(2 * channels, channels), dropout=(0.0, 0.5, 0.0), max_pool=max_pool)


def _gimefive(*widths: int, batch_norm: bool = True, dropout: float = 0.0, excitation: bool = False) -> Net:
    trunk = partial(stacked_trunk, widths=widths, batch_norm=batch_norm, dropout=dropout, excitation=excitation)
    return Net(trunk, wide_head)


NETS.register("gimefive-10")(_gimefive(64, 128, 256, 512, 1024, batch_norm=False))
NETS.register("gimefive-13")(_gimefive(64, 128, 256, 512))
NETS.register("gimefive-15")(_gimefive(64, 128, 256, 512, 1024))
NETS.register("gimefive-15d")(_gimefive(64, 128, 256, 512, 1024, dropout=0.2))  # the report's 15*, its best
NETS.register("gimefive-16")(_gimefive(64, 128, 256, 512, 1024, excitation=True))
NETS.register("gimefive-17")(_gimefive(64, 128, 256, 512, 1024, 2048))
NETS.register("gimefive-vgg")(  # takes 64 px images only, since it flattens
    Net(vgg_trunk, partial(MlpHead, hidden=(4096, 1024), dropout=(0.0, 0.5, 0.5), max_pool=True, grid=8))
)
NETS.register("csci-cnn")(  # takes 48 px images only, since it flattens
    Net(
        partial(stacked_trunk, widths=(32, 64, 128), dropout=0.25),
        partial(MlpHead, hidden=(256, 128), dropout=(0.25, 0.5, 0.5), batch_norm=True, max_pool=True, grid=6),
    )
)

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
from fer_au.models.options import counts, flag, number


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

    Raises:
        ValueError: A bad value.
    """
    widths, rate = counts("widths", widths), number("dropout", dropout, 0, 1)
    batch_norm, excitation = flag("batch_norm", batch_norm), flag("excitation", excitation)
    if not widths:
        raise ValueError("widths must name at least one block")
    blocks = []
    for block, (inputs, width) in enumerate(pairwise([in_chans, *widths])):
        layers: list[nn.Module] = [nn.MaxPool2d(2), nn.Dropout(rate)] if block else []
        layers.append(nn.Conv2d(inputs, width, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU())
        if excitation and not block:
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


def wide_head(
    channels: int,
    classes: int,
    *,
    hidden: Sequence[int] | None = None,
    dropout: float | Sequence[float] | None = None,
    batch_norm: bool = False,
    max_pool: bool = True,
    pooling: str = "mean",
) -> MlpHead:
    """GiMeFive's classifier, an ``MlpHead`` with defaults of its own.

    Args:
        channels: Channels of the trunk's final map.
        classes: Number of classes.
        hidden: Widths of the hidden layers; default twice as wide as the features, and as wide.
        dropout: As in ``MlpHead``; default a half after the first hidden layer, and nowhere else.
        batch_norm: As in ``MlpHead``.
        max_pool: As in ``MlpHead``.
        pooling: As in ``MlpHead``.
    """
    widths = (2 * channels, channels) if hidden is None else counts("hidden", hidden)
    rates = [0.5 if layer == 1 else 0.0 for layer in range(len(widths) + 1)] if dropout is None else dropout
    return MlpHead(
        channels, classes, hidden=widths, dropout=rates, batch_norm=batch_norm, max_pool=max_pool, pooling=pooling
    )


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

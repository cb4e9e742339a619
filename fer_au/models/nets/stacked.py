"""Networks of stacked convolutions: ``gimefive-10`` to ``-17``, ``gimefive-vgg``, ``csci-cnn``.

Sources: Wang and Kawka, "GiMeFive: Towards Interpretable Facial Emotion Classification" (arXiv 2402.15662) and its
preliminary report, whose numbers of layers are the names here; and the small CNN of the course project csci5527. The
parameter counts are the published ones. As in the published code, weights start from torch's defaults.

The 10-, 15-, 16- and 17-layer networks are described but not published as code: the place of the 16-layer network's
squeeze-and-excitation (here after the first activation) follows from its parameter count and from the 25-layer network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from pydantic import PositiveInt, field_validator
from torch import Tensor, nn

from fer_au.config.experiments import Probability
from fer_au.config.options import Counts, PartOptions
from fer_au.config.unread import ReadIf
from fer_au.models.heads.mlp import MlpHead
from fer_au.models.nets.base import NETS
from fer_au.models.nets.blocks import BlockNet, SqueezeExcitation
from fer_au.models.parts import Head


class WideHead(MlpHead):
    """GiMeFive's classifier: two hidden layers, the first twice as wide as the features."""

    class Options(MlpHead.Options):
        """Options of GiMeFive's classifier: those of head ``mlp`` with other defaults."""

        hidden: Counts | None = None
        dropout: float | tuple[float, ...] | None = None
        max_pool: bool = True


class StackedNet(BlockNet):
    """Base of the stacked networks: 3 x 3 convolutions with batch norm and ReLU, 2 x 2 max pooling between them."""

    class Options(PartOptions):
        """Options of the stacked networks.

        Attributes:
            widths: Channels of the blocks, each of one convolution.
            batch_norm: Whether convolutions are followed by a batch norm.
            dropout: Share of the values that training drops after each pooling.
            excitation: Whether the first block ends in a squeeze-and-excitation.
        """

        READ_IF = (ReadIf("dropout", lambda one: len(one.widths) > 1, "a single block has no pooling before it"),)

        widths: Counts = (64, 128, 256, 512, 1024)
        batch_norm: bool = True
        dropout: Probability = 0.0
        excitation: bool = False

        @field_validator("widths")
        @classmethod
        def _some(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
            if not widths:
                raise ValueError("should name at least one block")
            return widths

    options: Options
    head: ClassVar[type[Head]] = WideHead

    def build(self, in_chans: int) -> tuple[Sequence[nn.Module], int]:
        """Build the blocks; all but the first begin with pooling and dropout."""
        options, blocks = self.options, []
        for block, (inputs, width) in enumerate(pairwise([in_chans, *options.widths])):
            layers: list[nn.Module] = [nn.MaxPool2d(2), nn.Dropout(options.dropout)] if block else []
            layers.append(nn.Conv2d(inputs, width, 3, padding=1))
            if options.batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU())
            if options.excitation and not block:
                layers.append(SqueezeExcitation(width))
            blocks.append(nn.Sequential(*layers))
        return blocks, options.widths[-1]


@NETS.register("gimefive-10")
class Gimefive10(StackedNet):
    """Five convolutions without batch norm."""

    class Options(StackedNet.Options):
        """Options of ``gimefive-10``."""

        batch_norm: bool = False


@NETS.register("gimefive-13")
class Gimefive13(StackedNet):
    """Four convolutions."""

    class Options(StackedNet.Options):
        """Options of ``gimefive-13``."""

        widths: Counts = (64, 128, 256, 512)


@NETS.register("gimefive-15")
class Gimefive15(StackedNet):
    """Five convolutions."""


@NETS.register("gimefive-15d")
class Gimefive15d(StackedNet):
    """Five convolutions with dropout after each pooling: 15* of the report, its best."""

    class Options(StackedNet.Options):
        """Options of ``gimefive-15d``."""

        dropout: Probability = 0.2


@NETS.register("gimefive-16")
class Gimefive16(StackedNet):
    """Five convolutions, the first with a squeeze-and-excitation."""

    class Options(StackedNet.Options):
        """Options of ``gimefive-16``."""

        excitation: bool = True


@NETS.register("gimefive-17")
class Gimefive17(StackedNet):
    """Six convolutions."""

    class Options(StackedNet.Options):
        """Options of ``gimefive-17``."""

        widths: Counts = (64, 128, 256, 512, 1024, 2048)


class CsciHead(MlpHead):
    """Classifier of the csci5527 network: it flattens the maps of 48 px images."""

    class Options(MlpHead.Options):
        """Options of the head of ``csci-cnn``: those of head ``mlp`` with other defaults."""

        hidden: Counts | None = (256, 128)
        dropout: float | tuple[float, ...] | None = (0.25, 0.5, 0.5)
        batch_norm: bool = True
        max_pool: bool = True
        grid: PositiveInt | None = 6


@NETS.register("csci-cnn")
class CsciCnn(StackedNet):
    """Three convolutions, for images of 48 px only."""

    class Options(StackedNet.Options):
        """Options of ``csci-cnn``."""

        widths: Counts = (32, 64, 128)
        dropout: Probability = 0.25

    head: ClassVar[type[Head]] = CsciHead


class SharedNormPair(nn.Module):
    """Two 3 x 3 convolutions with ReLU and dropout between, which share one batch norm.

    The published network shares the norm too, though its running statistics then mix those of both convolutions: the
    parameter count of ``gimefive-vgg`` shows it.

    Args:
        inputs: Channels of the input.
        channels: Channels of the output.
        dropout: Share of the values that training drops between the convolutions.
    """

    def __init__(self, inputs: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, h, w) to (N, channels, h, w)."""
        x = self.dropout(self.norm(self.first(x)).relu())
        y: Tensor = self.norm(self.second(x))
        return y.relu()


class VggHead(MlpHead):
    """Classifier of ``gimefive-vgg``: it flattens the maps of 64 px images."""

    class Options(MlpHead.Options):
        """Options of the head of ``gimefive-vgg``: those of head ``mlp`` with other defaults."""

        hidden: Counts | None = (4096, 1024)
        dropout: float | tuple[float, ...] | None = (0.0, 0.5, 0.5)
        max_pool: bool = True
        grid: PositiveInt | None = 8


@NETS.register("gimefive-vgg")
class GimefiveVgg(BlockNet):
    """Three pairs of convolutions, with 2 x 2 max pooling between the pairs, for images of 64 px only."""

    head: ClassVar[type[Head]] = VggHead

    def build(self, in_chans: int) -> tuple[Sequence[nn.Module], int]:
        """Build the pairs; all but the first begin with pooling."""
        widths = (64, 128, 256)
        first, *others = (SharedNormPair(inputs, width, 0.2) for inputs, width in pairwise([in_chans, *widths]))
        return [first, *(nn.Sequential(nn.MaxPool2d(2), pair) for pair in others)], widths[-1]

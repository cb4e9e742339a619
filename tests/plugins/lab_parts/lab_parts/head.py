"""A head: a hidden layer on the largest value of each channel."""

from __future__ import annotations

from pydantic import PositiveInt
from torch import Tensor, nn

from fer_au.config.options import PartOptions
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


class LabTanh(Head):
    """Max pooling and two linear layers; class maps are the inherited ones."""

    class Options(PartOptions):
        """Options of the head.

        Attributes:
            hidden: Width of the hidden layer.
        """

        hidden: PositiveInt = 8

    options: Options

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        self.hidden = nn.Linear(channels, self.options.hidden)
        self.linear = nn.Linear(self.options.hidden, classes)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features."""
        return HeadOutput(self.linear(self.hidden(trunk.final.amax((2, 3))).tanh()))

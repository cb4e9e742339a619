"""Head ``wildcat``: several maps per class, scored by their highest and lowest cells."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from fer_au.config.experiments import Probability
from fer_au.config.options import PartOptions, Share
from fer_au.config.unread import ReadIf
from fer_au.models.heads.base import HEADS
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


@HEADS.register("wildcat")
class WildcatHead(Head):
    """WILDCAT (Durand et al., CVPR 2017): 1x1 convolution to maps, class-wise pooling, spatial pooling of both ends.

    A class's map is the mean of its modalities' maps, and its logit is

        mean of the share ``kmax`` of its highest cells + ``alpha`` * mean of the share ``kmin`` of its lowest cells

    plus a bias.

    Defaults are the AU-cue paper's. Two deviations: its code computes the second mean and loses it, here it counts; and
    the sum is not halved, as in WILDCAT's equations and unlike its authors' code.
    """

    class Options(PartOptions):
        """Options of head ``wildcat``.

        Attributes:
            modalities: Maps per class. Their mean is linear: more maps add no functions, but change how the head
                learns.
            kmax: Share of the cells in the first mean; at least one cell.
            kmin: Share of the cells in the second mean, at least one cell; 0 leaves it out.
            alpha: Weight of the second mean.
            dropout: Probability, in training, of leaving out each cell of the first mean.
        """

        READ_IF = (
            ReadIf("kmin", lambda one: one.alpha != 0, "alpha is 0"),
            ReadIf("alpha", lambda one: one.kmin > 0, "kmin is 0"),
        )

        modalities: PositiveInt = 5
        kmax: Share = 0.5
        kmin: Probability = 0.1
        alpha: float = 0.6
        dropout: Probability = 0.0

    options: Options

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        self.dropout = nn.Dropout(self.options.dropout)
        self.conv = nn.Conv2d(channels, classes * self.options.modalities, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; the head has no attention map of its own."""
        options = self.options
        cells = self.class_maps(trunk).flatten(2)
        pooled = self.dropout(_highest(cells, options.kmax)).mean(2)
        if options.kmin > 0:
            pooled = pooled - options.alpha * _highest(-cells, options.kmin).mean(2)
        return HeadOutput(pooled + self.bias)

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """Compute the mean of each class's maps, as one convolution with the mean of the modalities' weights."""
        weights = self.conv.weight.reshape(len(self.bias), self.options.modalities, -1, 1, 1).mean(1)
        return functional.conv2d(trunk.final, weights)


def _highest(cells: Tensor, part: float) -> Tensor:
    """Return the highest cells (N, classes, k) of (N, classes, cells)."""
    return cells.topk(max(1, round(part * cells.shape[2])), dim=2).values

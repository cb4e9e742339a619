"""Head ``wildcat``: several maps per class, scored by their highest and lowest cells."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_au.models.heads.base import HEADS
from fer_au.models.options import count, number, share
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


@HEADS.register("wildcat")
class WildcatHead(Head):
    """WILDCAT (Durand et al., CVPR 2017): 1x1 convolution to maps, class-wise pooling, spatial pooling of both ends.

    A class's map is the mean of its modalities' maps, and its logit is

        mean of the share ``kmax`` of its highest cells + ``alpha`` * mean of the share ``kmin`` of its lowest cells

    plus a bias.

    Defaults are the AU-cue paper's. Two deviations: its code computes the second mean and loses it, here it counts; and
    the sum is not halved, as in WILDCAT's equations and unlike its authors' code.

    Args:
        channels: Of the trunk's final map.
        classes: Number of classes.
        modalities: Maps per class. Their mean is linear: they don't add functions, but change how the head learns.
        kmax: Share of the cells in the first mean, in (0, 1]; at least one cell.
        kmin: Share of the cells in the second mean, at least one cell; 0 leaves it out.
        alpha: Weight of the second mean.
        dropout: Probability, in training, of leaving out each cell of the first mean.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        modalities: int = 5,
        kmax: float = 0.5,
        kmin: float = 0.1,
        alpha: float = 0.6,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(channels, classes)
        self.modalities = count("modalities", modalities)
        self.kmax = share("kmax", kmax)
        self.kmin = number("kmin", kmin, 0, 1)
        self.alpha = number("alpha", alpha)
        self.dropout = nn.Dropout(number("dropout", dropout, 0, 1))
        self.conv = nn.Conv2d(channels, classes * modalities, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; this head has no attention map of its own."""
        cells = self.class_maps(trunk).flatten(2)
        pooled = self.dropout(_highest(cells, self.kmax)).mean(2)
        if self.kmin > 0:
            pooled = pooled - self.alpha * _highest(-cells, self.kmin).mean(2)
        return HeadOutput(pooled + self.bias)

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """The mean of each class's maps; computed as one convolution with the mean of the modalities' weights."""
        with torch.autocast(trunk.final.device.type, enabled=False):
            weights = self.conv.weight.reshape(len(self.bias), self.modalities, -1, 1, 1).mean(1)
            return functional.conv2d(trunk.final.float(), weights)


def _highest(cells: Tensor, part: float) -> Tensor:
    """The highest cells (N, classes, k) of (N, classes, cells)."""
    return cells.topk(max(1, round(part * cells.shape[2])), dim=2).values

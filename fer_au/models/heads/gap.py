"""Head ``gap``: global average pooling and one linear layer, whose class maps are the CAM."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_au.models.heads.base import HEADS
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


@HEADS.register("gap")
class GapHead(Head):
    """Global average pooling and one linear layer (Zhou et al., CVPR 2016).

    Fresh weights are Xavier-uniform and the bias is 0, as in the AU-cue paper.
    The logits equal the spatial means of the class maps plus the bias.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(channels, classes)
        self.linear = nn.Linear(channels, classes)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; this head has no attention map of its own."""
        with torch.autocast(trunk.final.device.type, enabled=False):
            pooled = trunk.final.float().mean((2, 3))
            return HeadOutput(functional.linear(pooled, self.linear.weight.float(), self.linear.bias.float()))

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """CAM: sum over channels of the class's weight times the feature map."""
        with torch.autocast(trunk.final.device.type, enabled=False):
            return functional.conv2d(trunk.final.float(), self.linear.weight.float()[:, :, None, None])

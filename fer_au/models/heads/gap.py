"""Head ``gap``: global average pooling and one linear layer, whose class maps are the CAM."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from fer_au.models.heads.base import HEADS, fresh_linear
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


@HEADS.register("gap")
class GapHead(Head):
    """Global average pooling and one linear layer (Zhou et al., CVPR 2016).

    Fresh weights are Xavier-uniform and the bias is 0, as in the AU-cue paper.
    The logits equal the spatial means of the class maps plus the bias.
    """

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        self.linear = fresh_linear(channels, classes)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; the head has no attention map of its own."""
        pooled = trunk.final.mean((2, 3))
        return HeadOutput(functional.linear(pooled, self.linear.weight.float(), self.linear.bias.float()))

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """Compute the CAM: sum over channels of the class's weight times the feature map."""
        return functional.conv2d(trunk.final, self.linear.weight.float()[:, :, None, None])

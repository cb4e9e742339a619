"""Head ``lan``: a small network that predicts an attention map and adds the features under it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_au.config.options import Counts, PartOptions
from fer_au.models.heads.base import HEADS, fresh_linear
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


@HEADS.register("lan")
class LanHead(Head):
    """LAN, the local attention network (Cho and Lee, IEEE Access 2022): 3x3 convolutions predict an attention map.

    Four convolutions and a sigmoid make a map m in [0, 1], which weighs the features F. With GAP the global average,
    the fused feature of ``add`` is GAP(F) + GAP(m F) = GAP((1 + m) F), that of ``average`` is half of it, and that of
    ``concat`` is both averages side by side; a linear layer makes the logits. The logits equal the spatial means of
    the class maps plus the bias.

    The paper trains m with a binary cross-entropy towards K-means clusters of a base model's features: guidance with
    cue ``clusters``, loss ``bce`` and source ``module``. The paper gives neither the widths of the layers nor the
    layers between them: batch normalisation and ReLU after all but the last, and the default widths, are this
    project's choice.
    """

    class Options(PartOptions):
        """Options of head ``lan``.

        Attributes:
            widths: Channels of the hidden layers; the last layer has one.
            fusion: Use of the map: ``add`` (the paper's best), ``concat`` or ``average``.
        """

        widths: Counts = (256, 128, 64)
        fusion: Literal["add", "concat", "average"] = "add"

    options: Options

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        self.attention = _attention(channels, self.options.widths)
        self.linear = fresh_linear(channels * (2 if self.options.fusion == "concat" else 1), classes)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; the attention is the predicted map."""
        fused, attention = self._fuse(trunk.final)
        return HeadOutput(self.linear(fused.mean((2, 3))), attention.squeeze(1))

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """Compute the CAM of the fused features: sum over channels of the class's weight times the feature map."""
        fused, _ = self._fuse(trunk.final)
        return functional.conv2d(fused, self.linear.weight[:, :, None, None])

    def _fuse(self, final: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the fused features (N, c, h, w) or (N, 2c, h, w), and the map (N, 1, h, w)."""
        attention = self.attention(final).sigmoid()
        if self.options.fusion == "concat":
            return torch.cat((final, attention * final), dim=1), attention
        fused = (1 + attention) * final
        return (fused / 2 if self.options.fusion == "average" else fused), attention


def _attention(channels: int, widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        # A bias would be taken out again by the normalisation.
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1))

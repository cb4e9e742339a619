"""Head ``multiscale``: the face crop and the whole picture, pooled, joined and classified."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from fer_au.config.options import PartOptions
from fer_au.models.heads.base import HEADS, fresh_linear
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


@HEADS.register("multiscale")
class MultiscaleHead(Head):
    """Global average pooling of the face's and of the whole picture's features, side by side, and one linear layer.

    The two scales of the csci5527 project's proposal, which describes them in one sentence and has no code of them:
    features of face crop and whole image, concatenated, then a classifier. Decisions: both are brought to the model's
    input size, one backbone sees both, fresh weights are drawn as in head ``gap``. The data set needs the crops of
    ``align.context``.
    """

    class Options(PartOptions):
        """Options of head ``multiscale``.

        Attributes:
            shared: Whether one backbone sees both pictures; otherwise each has its own.
        """

        shared: bool = True

    options: Options
    views: ClassVar[int] = 2

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        self.shared_backbone = self.options.shared
        self.linear = fresh_linear(2 * channels, classes)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; the head has no attention map of its own."""
        if trunk.context is None:
            raise ValueError("head 'multiscale' needs features of the whole picture, too")
        pooled = [maps.mean((2, 3)) for maps in (trunk.final, trunk.context)]
        weight, bias = self.linear.weight.float(), self.linear.bias.float()
        return HeadOutput(functional.linear(torch.cat(pooled, dim=1), weight, bias))

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """Compute the face's part of the CAM; bias and the whole picture's part add a number per class to its mean."""
        weight = self.linear.weight.float()[:, : trunk.final.shape[1]]
        return functional.conv2d(trunk.final, weight[:, :, None, None])

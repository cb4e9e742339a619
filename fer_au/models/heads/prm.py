"""Head ``prm``: class maps scored at their peaks."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveInt, field_validator
from torch import Tensor, nn
from torch.nn import functional

from fer_au.config.options import PartOptions
from fer_au.config.unread import ReadIf
from fer_au.models.heads.base import HEADS
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


@HEADS.register("prm")
class PrmHead(Head):
    """Peak stimulation of Peak Response Maps (Zhou et al., CVPR 2018): a 1x1 convolution whose peaks are the score.

    The second step of that paper, the back-propagation of peaks, is the CAM method ``prm_peak``. The class maps,
    whatever ``peaks`` is, are those of the convolution.
    """

    class Options(PartOptions):
        """Options of head ``prm``.

        Attributes:
            kernel: Side of the window in which a peak is the highest cell; odd. On a smaller grid the window is the
                grid.
            peaks: ``windows`` averages the highest cell of every window that lies inside the map, so that a peak
                counts as often as windows contain it; this is the AU-cue paper's code. ``cells`` averages the cells
                that are highest in the window around them, each once, as Zhou et al. do.
        """

        READ_IF = (ReadIf("peaks", lambda one: one.kernel > 1, "in a window of one cell every cell is a peak"),)

        kernel: PositiveInt = 3
        peaks: Literal["windows", "cells"] = "windows"

        @field_validator("kernel")
        @classmethod
        def _odd(cls, kernel: int) -> int:
            if kernel % 2 == 0:
                raise ValueError("should be odd")
            return kernel

    options: Options

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        self.conv = nn.Conv2d(channels, classes, 1)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; the head has no attention map of its own."""
        maps, kernel = self.conv(trunk.final), self.options.kernel
        if self.options.peaks == "windows":
            window = min(kernel, maps.shape[2]), min(kernel, maps.shape[3])
            return HeadOutput(functional.max_pool2d(maps, window, stride=1).mean((2, 3)))
        found = find_peaks(maps, kernel)
        return HeadOutput((maps * found).sum((2, 3)) / found.sum((2, 3)))

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """Compute the convolution's maps."""
        return functional.conv2d(trunk.final, self.conv.weight)


def find_peaks(maps: Tensor, kernel: int = 3) -> Tensor:
    """Find the cells that are the highest of the window around them, of which only the part inside the map counts.

    Args:
        maps: Class maps, (N, k, h, w).
        kernel: Side of the window; odd.

    Returns:
        Mask (N, k, h, w) bool; every map has at least one peak, and all cells of a plateau are peaks.
    """
    with torch.no_grad():
        return maps == functional.max_pool2d(maps, kernel, stride=1, padding=kernel // 2)

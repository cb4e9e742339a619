"""Head ``prm``: class maps scored at their peaks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_au.models.heads.base import HEADS
from fer_au.models.options import choice, count
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


@HEADS.register("prm")
class PrmHead(Head):
    """Peak stimulation of Peak Response Maps (Zhou et al., CVPR 2018): a 1x1 convolution whose peaks are the score.

    Its maps without the second step of that paper, the back-propagation of single peaks. The class maps, whatever
    ``peaks`` is, are those of the convolution.

    Args:
        channels: Of the trunk's final map.
        classes: Number of classes.
        kernel: Side of the window in which a peak is the highest cell; odd. On a grid smaller than that it is the grid.
        peaks: ``windows`` averages the highest cell of every window that lies inside the map, so that a peak counts as
            often as windows contain it; this is the AU-cue paper's code. ``cells`` averages the cells that are highest
            in the window around them, each once, as Zhou et al. do.
    """

    def __init__(self, channels: int, classes: int, kernel: int = 3, peaks: str = "windows") -> None:
        super().__init__(channels, classes)
        self.kernel = count("kernel", kernel)
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, not {kernel}")
        self.peaks = choice("peaks", peaks, ("windows", "cells"))
        self.conv = nn.Conv2d(channels, classes, 1)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; this head has no attention map of its own."""
        with torch.autocast(trunk.final.device.type, enabled=False):
            maps = self.conv(trunk.final.float())
            if self.peaks == "windows":
                window = min(self.kernel, maps.shape[2]), min(self.kernel, maps.shape[3])
                return HeadOutput(functional.max_pool2d(maps, window, stride=1).mean((2, 3)))
            found = find_peaks(maps, self.kernel)
            return HeadOutput((maps * found).sum((2, 3)) / found.sum((2, 3)))

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """The convolution's maps."""
        with torch.autocast(trunk.final.device.type, enabled=False):
            return functional.conv2d(trunk.final.float(), self.conv.weight)


def find_peaks(maps: Tensor, kernel: int = 3) -> Tensor:
    """Which cells are the highest of the window around them, of which only the part inside the map counts.

    Args:
        maps: (N, k, h, w).
        kernel: Side of the window; odd.

    Returns:
        (N, k, h, w) bool; every map has at least one peak, and all cells of a plateau are peaks.
    """
    with torch.no_grad():
        return maps == functional.max_pool2d(maps, kernel, stride=1, padding=kernel // 2)

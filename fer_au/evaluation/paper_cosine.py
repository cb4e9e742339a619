"""Take the cosine of maps with AU maps, ATT-COS and CAM-COS of the AU-cue paper, in the frame that it is asked for in.

Only these two scores are published, so only they have a choice of frames (``evaluate.resize``). Every other score takes
cells where they lie in the picture, and means the same whatever the choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation.comparison import comparison_maps
from fer_au.evaluation.map_scores import FloatArray, cosine_alignment
from fer_au.resizing import Frame, resize_maps

_PART = 32  # maps that are enlarged to the picture's pixels at a time


@dataclass(frozen=True)
class PaperCosine:
    """The cosine, ``corrected`` or ``published``.

    ``corrected`` compares on the AU maps' own grid. ``published`` compares on the pixels of the picture that the model
    sees, to which CAMs are enlarged cell by cell, and attention in the shifted frame of the published code.

    Attributes:
        frame: Frame of the attention's grids.
    """

    frame: Frame

    def of_attention(self, maps: NDArray[Any], targets: NDArray[Any]) -> FloatArray:
        """Score attention.

        Args:
            maps: (N, h, w) raw attention of a layer or a head, or a reference in its place, on its own grid.
            targets: (N, S, S) AU maps.

        Returns:
            (N,) scores in [0, 1]; NaN where a map or target holds a NaN, or the target is zero.
        """
        return self._cosine(maps, targets, self.frame)

    def of_cam(self, maps: NDArray[Any], targets: NDArray[Any]) -> FloatArray:
        """Score CAMs that are scaled to [0, 1]; arguments and result as for ``of_attention``."""
        return self._cosine(maps, targets, Frame("corrected", self.frame.pixels))

    def of_reference(self, drawn: NDArray[Any], grid: tuple[int, int], targets: NDArray[Any]) -> FloatArray:
        """Score maps (N, S, S) as well as attention on a grid could draw them."""
        return self.of_attention(self.frame.to_layer(np.asarray(drawn, np.float64), grid), targets)

    def _cosine(self, maps: NDArray[Any], targets: NDArray[Any], frame: Frame) -> FloatArray:
        if self.frame.resize == "corrected":
            return cosine_alignment(comparison_maps(maps, targets.shape[-1]), targets.astype(np.float64))
        scores = np.full(len(maps), np.nan)
        for start in range(0, len(maps), _PART):
            part = slice(start, start + _PART)
            shown = frame.to_picture(np.asarray(maps[part], np.float32), self.frame.pixels)
            shown = shown - np.minimum(shown.min(axis=(1, 2), keepdims=True), 0.0)
            scores[part] = cosine_alignment(shown, resize_maps(targets[part], self.frame.pixels))
        return scores

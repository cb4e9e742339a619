"""Cue ``background``: the part of the picture that shows no face."""

from __future__ import annotations

import numpy as np

from fer_au.cues.arrays import Array
from fer_au.cues.cue import CUES, Cue, FaceBatch
from fer_au.cues.regions import REGIONS, region_coverage


@CUES.register("background")
class BackgroundCue(Cue):
    """Share of each cell that the background covers: the picture without the face's five regions.

    Source: the background mask of the csci5527 project, which asks for attention outside of it. ``cues.regions`` has
    the outlines. Hair above the brows' lifted line is background. Without landmarks there is no mask.
    """

    avoid = True

    def draw(self, faces: FaceBatch) -> tuple[Array, Array]:
        """Cover the cells; see ``Cue.draw``. A map needs a part of the face in the frame. Labels play no part."""
        grid = faces.map_size, faces.map_size
        coverage = region_coverage(faces.points, faces.image_size, grid)[:, REGIONS.index("background")]
        return coverage.astype(np.float32), (coverage < 1).any(axis=(1, 2))

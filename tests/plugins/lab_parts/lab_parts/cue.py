"""A cue: the middle of the face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_au.cues import Cue, FaceBatch


class LabMiddle(Cue):
    """A round spot on the mean of the 68 points, as wide as half of their spread."""

    def draw(self, faces: FaceBatch) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Draw the spots; every face with landmarks has one."""
        cells = faces.points * (faces.map_size / faces.image_size)
        middle, spread = cells.mean(axis=1), cells.std(axis=(1, 2)) / 2 + 0.5
        centres = np.arange(faces.map_size) + 0.5
        x = (centres[None, None, :] - middle[:, 0, None, None]) / spread[:, None, None]
        y = (centres[None, :, None] - middle[:, 1, None, None]) / spread[:, None, None]
        return np.exp(-(x**2 + y**2) / 2).astype(np.float32), np.ones(len(faces), np.bool_)

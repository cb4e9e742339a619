"""A landmark extractor: the average face with a jaw that drops where the mouth is dark.

It takes a dark mouth for an open one and moves the lower lip and the jaw of the average face with it: too simple to be
useful, and all that an extractor must have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_au.config.options import PartOptions
from fer_au.faces.templates import mean_face_in
from fer_au.landmarks import ExtractorCard, SingleExtractor

_LOWER = [*range(4, 13), 55, 56, 57, 58, 59, 65, 66, 67]  # chin and lower lip


class LabAverage(SingleExtractor):
    """Puts the average face into the face's box, its jaw the lower the darker the mouth."""

    class Options(PartOptions):
        """Options of the extractor.

        Attributes:
            gain: Drop of the jaw where the mouth is black, in heights of the mouth.
        """

        gain: float = 0.2

    card = ExtractorCard(
        name="lab-average",
        summary="The average face in the face's box; a dark mouth lowers its jaw.",
        origin="The documentation's example.",
        licence="Apache-2.0.",
        training_data="None.",
        limits="An example: don't use it.",
    )
    version = 1  # raised whenever the code gives other points
    options: Options

    def find(self, image: NDArray[np.uint8], box: NDArray[np.floating]) -> tuple[NDArray[np.floating], float]:
        """Find the points of one face; the score is the mouth's brightness."""
        face = mean_face_in(box)
        left, top = np.floor(face[48:68].min(0)).astype(int).clip(0)
        right, bottom = np.ceil(face[48:68].max(0)).astype(int)
        mouth = image[top : bottom + 1, left : right + 1]
        darkness = 1 - float(mouth.mean()) / 255 if mouth.size else 0.0
        face[_LOWER, 1] += self.options.gain * darkness * (bottom - top)
        return face, 1 - darkness

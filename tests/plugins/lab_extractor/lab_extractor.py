"""A landmark extractor in a package of its own.

It takes a dark mouth for an open one and moves the lower lip and the jaw of the average face with it: too simple to be
useful, and all that an extractor must have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_au.faces.templates import crop_boxes, mean_face_in
from fer_au.fingerprints import fingerprint
from fer_au.landmarks import ExtractorCard

VERSION = 1  # raised whenever the code gives other points
_LOWER = [*range(4, 13), 55, 56, 57, 58, 59, 65, 66, 67]  # chin and lower lip


@dataclass(frozen=True)
class LabAverage:
    """The average face with a jaw that drops where the mouth is dark."""

    gain: float = 0.2

    card: ClassVar[ExtractorCard] = ExtractorCard(
        name="lab-average",
        summary="The average face in the face's box; a dark mouth lowers its jaw.",
        origin="The documentation's example.",
        licence="Apache-2.0.",
        training_data="None.",
        limits="An example: don't use it.",
    )
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def fingerprint(self) -> str:
        return fingerprint("landmarks/lab-average", VERSION, {"gain": self.gain})

    def extract(
        self,
        images: NDArray[np.uint8],
        boxes: NDArray[np.floating] | None = None,
        annotated: NDArray[np.floating] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        boxes = crop_boxes(images) if boxes is None else boxes
        points = np.full((len(images), 68, 2), np.nan, np.float32)
        score = np.full(len(images), np.nan, np.float32)
        for row, (image, box) in enumerate(zip(images, boxes, strict=True)):
            if np.isfinite(box).all():
                face = mean_face_in(box)
                left, top = np.floor(face[48:68].min(0)).astype(int).clip(0)
                right, bottom = np.ceil(face[48:68].max(0)).astype(int)
                mouth = image[top : bottom + 1, left : right + 1]
                darkness = 1 - float(mouth.mean()) / 255 if mouth.size else 0.0
                face[_LOWER, 1] += self.gain * darkness * (bottom - top)
                points[row], score[row] = face, 1 - darkness
        return points, score

"""Detectors that look at no pixel: the data set's own boxes, and the whole picture as a face."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.array_arguments import read_box
from fer_au.faces.detectors import DETECTORS, Detection, Detector
from fer_au.pictures import open_picture

WHOLE_IMAGE_INSET = 0.08
"""Part of a tight face crop that lies outside the HOG-like face box, on each side."""


def inset_box(width: int, height: int) -> tuple[float, float, float, float]:
    """Return the face box that is assumed in a tight face crop: its middle square, a little smaller."""
    side = min(width, height) * (1 - 2 * WHOLE_IMAGE_INSET)
    x0, y0 = (width - side) / 2, (height - side) / 2
    return x0, y0, x0 + side, y0 + side


@DETECTORS.register("whole-image")
class WholeImage(Detector):
    """Takes every picture as one tight face crop, as released sets of cropped faces are."""

    name = "whole-image"
    version = 1
    vouches: ClassVar[bool] = False
    looks: ClassVar[bool] = False

    def constants(self) -> Mapping[str, object]:
        """Return the inset of the assumed box."""
        return {"inset": WHOLE_IMAGE_INSET}

    def detect(self, image: NDArray[np.uint8], hint: ArrayLike | None = None) -> list[Detection]:
        """Assume one face in the middle of the picture; the hint is not used."""
        image = open_picture("image", image)
        return [Detection(inset_box(image.shape[1], image.shape[0]), math.nan, "whole image")]


@DETECTORS.register("provided")
class Provided(Detector):
    """Takes the box of the manifest; a row without one has no face."""

    name = "provided"
    version = 1
    looks: ClassVar[bool] = False

    def detect(self, image: NDArray[np.uint8], hint: ArrayLike | None = None) -> list[Detection]:
        """Return the data set's box."""
        image = open_picture("image", image)
        if hint is None:
            return []
        x0, y0, x1, y1 = read_box("hint", hint).tolist()
        return [Detection((x0, y0, x1, y1), math.nan, "manifest box")]

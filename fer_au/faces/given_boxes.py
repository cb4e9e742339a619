"""Detectors that look at no pixel: the data set's own boxes, and the whole picture as a face."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.faces.detectors import DETECTORS, Detection
from fer_au.fingerprints import fingerprint

VERSION = 1

WHOLE_IMAGE_INSET = 0.08
"""Part of a tight face crop that lies outside the HOG-like face box, on each side."""


def inset_box(width: int, height: int) -> tuple[float, float, float, float]:
    """The face box that is assumed in a picture that is itself a face crop: the middle square, a little smaller."""
    side = min(width, height) * (1 - 2 * WHOLE_IMAGE_INSET)
    x0, y0 = (width - side) / 2, (height - side) / 2
    return x0, y0, x0 + side, y0 + side


@DETECTORS.register("whole-image")
@dataclass(frozen=True)
class WholeImage:
    """Takes every picture as one tight face crop, as released sets of cropped faces are."""

    @property
    def fingerprint(self) -> str:
        """See ``Detector``."""
        return fingerprint("detector/whole-image", VERSION, {"inset": WHOLE_IMAGE_INSET})

    def detect(self, image: NDArray[np.uint8], hint: ArrayLike | None = None) -> list[Detection]:
        """One face in the middle of the picture; see ``Detector``. The hint is not used."""
        return [Detection(inset_box(image.shape[1], image.shape[0]), math.nan, "whole image")]


@DETECTORS.register("provided")
@dataclass(frozen=True)
class Provided:
    """Takes the box of the manifest; a row without one has no face."""

    @property
    def fingerprint(self) -> str:
        """See ``Detector``."""
        return fingerprint("detector/provided", VERSION)

    def detect(self, image: NDArray[np.uint8], hint: ArrayLike | None = None) -> list[Detection]:
        """The data set's box; see ``Detector``."""
        if hint is None:
            return []
        x0, y0, x1, y1 = np.asarray(hint, np.float64).tolist()
        return [Detection((x0, y0, x1, y1), math.nan, "manifest box")]

"""Extractor ``dlib68``: dlib's 68-point regression trees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.assets import DLIB68, Weights
from fer_au.faces.dlib_points import import_dlib, load_predictor, predict_points
from fer_au.landmarks.extractors import EXTRACTORS, ExtractorCard, FloatArray, Found, SingleExtractor

CARD = ExtractorCard(
    name="dlib68",
    summary="Ensemble of regression trees that moves an average shape to the 68 points; about 1 ms per face.",
    origin="dlib, by Davis King; Kazemi and Sullivan 2014, One Millisecond Face Alignment with an Ensemble of "
    "Regression Trees.",
    licence="Code: Boost Software License 1.0. Weights: declared CC0-1.0 by their author.",
    training_data="iBUG 300-W (2013), whose terms allow research only: ask before commercial use of the weights.",
    limits="Frontal faces, yaw to about 35 degrees; gives 68 points for anything, without a score, in whole pixels; "
    "jaw and brows are the least exact; children, dark skin and covered faces are rare in the training data.",
    install=DLIB68.install,
)


@EXTRACTORS.register("dlib68")
class Dlib68(SingleExtractor):
    """Finds dlib's 68 points in each crop, from the face's box there."""

    card = CARD
    version = 1
    weights: ClassVar[Mapping[str, Weights]] = {"weights": DLIB68}

    def check(self) -> None:
        """Find the dlib package and the weights.

        Raises:
            MissingDependencyError: One of them is not installed.
        """
        import_dlib()
        super().check()

    def load(self) -> None:
        """Read the weights, which worker processes can share."""
        load_predictor(DLIB68)

    def find(self, image: NDArray[np.uint8], box: FloatArray) -> Found:
        """Find the points of one face; there is no score."""
        # The trees compare grey values; dlib would convert each of the pixels it visits.
        gray = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        return predict_points(DLIB68, gray, box), math.nan

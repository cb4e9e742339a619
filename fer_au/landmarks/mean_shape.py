"""Extractor ``mean-shape``: the average face where the alignment put it, the floor that real extractors must beat."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fer_au.faces.templates import HOG_BOX, mean_face_in
from fer_au.ibug68 import MEAN_FACE
from fer_au.landmarks.extractors import EXTRACTORS, ExtractorCard, FloatArray, Found, SingleExtractor

CARD = ExtractorCard(
    name="mean-shape",
    summary="The project's average neutral face in the face's box; it looks at no pixel.",
    origin="This project.",
    licence="Apache-2.0.",
    training_data="None.",
    limits="A baseline: the same shape for every expression. A method that does as well on it does not need landmarks.",
)


@EXTRACTORS.register("mean-shape")
class MeanShape(SingleExtractor):
    """Puts the average face into each box."""

    card = CARD
    version = 1

    def constants(self) -> Mapping[str, object]:
        """Return the average face and its box."""
        return {"box": HOG_BOX, "face": MEAN_FACE.round(6).tolist()}

    def find(self, image: NDArray[np.uint8], box: FloatArray) -> Found:
        """Put the average face into the box; there is no score."""
        return mean_face_in(box), math.nan

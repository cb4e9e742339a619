"""Extractor ``mean-shape``: the average face where the alignment put it. The floor a real extractor must beat."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_au.faces.templates import HOG_BOX, mean_face_in
from fer_au.fingerprints import fingerprint
from fer_au.ibug68 import MEAN_FACE
from fer_au.landmarks.extractors import EXTRACTORS, ExtractorCard, FloatArray, Images, extract_each

VERSION = 1

CARD = ExtractorCard(
    name="mean-shape",
    summary="The project's average neutral face in the face's box; it looks at no pixel.",
    origin="This project.",
    licence="Apache-2.0.",
    training_data="None.",
    limits="A baseline: the same shape for every expression. A method that does as well on it does not need landmarks.",
)


@EXTRACTORS.register("mean-shape")
@dataclass(frozen=True)
class MeanShape:
    """The average face in each box."""

    card: ClassVar[ExtractorCard] = CARD
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def fingerprint(self) -> str:
        """See ``Extractor``."""
        return fingerprint("landmarks/mean-shape", VERSION, {"box": HOG_BOX, "face": MEAN_FACE.round(6).tolist()})

    def extract(
        self, images: Images, boxes: FloatArray | None = None, annotated: FloatArray | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See ``Extractor``; annotations are not used, scores are NaN."""
        return extract_each(images, boxes, lambda _, box: (mean_face_in(box), math.nan))

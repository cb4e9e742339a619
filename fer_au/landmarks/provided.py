"""Extractors ``provided`` and ``truth``, which take the data set's own points or those of rendered faces."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_au.array_arguments import in_main_memory, read_points
from fer_au.errors import DataError
from fer_au.landmarks.extractors import EXTRACTORS, Extractor, ExtractorCard, FloatArray, Images
from fer_au.picture_arguments import read_crops

PROVIDED_CARD = ExtractorCard(
    name="provided",
    summary="The 68 points that came with the data set, mapped into the aligned crop.",
    origin="The data set.",
    licence="The data set's.",
    training_data="Hand-marked, or made by the data set's own software: see its description.",
    limits="Only pictures that have points; their quality is the data set's.",
)
TRUTH_CARD = ExtractorCard(
    name="truth",
    summary="The exact points of rendered faces, mapped into the aligned crop.",
    origin="The demo renderer of this project.",
    licence="Apache-2.0; the head model is CC0.",
    training_data="None.",
    limits="Only rendered faces have it. The ceiling of every extractor there.",
)


class _DatasetPoints(Extractor):
    """Base of the extractors that return points of the data set."""

    version = 1
    needs: ClassVar[tuple[str, ...]] = ("points",)

    def extract(
        self, images: Images, boxes: FloatArray | None = None, annotated: FloatArray | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the annotated points of faces that have all 68; boxes are not used, scores are NaN.

        Raises:
            DataError: There are no annotations.
        """
        if annotated is None:
            raise DataError(f"landmark extractor {self.card.name!r} needs a data set with 68 points")
        images = read_crops("images", images, empty=True)
        annotated = in_main_memory(read_points("annotated", annotated, count=len(images)))
        whole = np.isfinite(annotated).all(axis=(1, 2), keepdims=True)
        points = np.where(whole, annotated, np.nan).astype(np.float32)
        return points, np.full(len(images), np.nan, np.float32)


@EXTRACTORS.register("provided")
class Provided(_DatasetPoints):
    """Returns the data set's points."""

    card = PROVIDED_CARD


@EXTRACTORS.register("truth")
class Truth(_DatasetPoints):
    """Returns the renderer's points."""

    card = TRUTH_CARD
    # Only rendered pictures have true motion maps; other data sets have points, too.
    needs: ClassVar[tuple[str, ...]] = ("points", "motion")

"""Configuration of the data stages: ``datasets``, ``align``, ``landmarks``, ``heatmaps``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from fer_au.config.reading import StrictModel

Fraction = Annotated[float, Field(ge=0, le=1)]


class DatasetConfig(StrictModel):
    """One entry of ``datasets``; each adapter adds its own keys in a subclass.

    Attributes:
        adapter: Which adapter reads the set.
        root: Its folder.
        valid_fraction: Share of the training part that becomes ``valid``, where the set brings no such split.
        test_fraction: Share that becomes ``test``, where the set brings no such split.
        seed: Of the split.
        max_reject_fraction: ``ingest`` fails when it loses more.
    """

    adapter: str
    root: Path
    valid_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: int = 0
    max_reject_fraction: Fraction = 0.05


class AlignConfig(StrictModel):
    """Section ``align``.

    Attributes:
        detector: Face detector.
        keypoints: What the similarity is fitted to: the detector's box, or five points of a dlib predictor.
        template: Where those points go in the crop; ``none`` keeps the crop unrotated.
        size: Side of the square crop, pixels.
        context: Side of an additional crop of the whole picture; 0 for none.
        on_missing: Without a face: take the whole picture, or reject it.
        choose: Which of several faces.
        max_reject_fraction: ``align`` fails when it loses more.
    """

    detector: str = "dlib-hog"
    keypoints: Literal["detector", "dlib5", "dlib68"] = "dlib68"
    template: Literal["loose", "arcface", "none"] = "loose"
    size: Annotated[int, Field(ge=32, le=1024)] = 256
    context: Annotated[int, Field(ge=0, le=1024)] = 0
    on_missing: Literal["whole-image", "reject"] = "whole-image"
    choose: Literal["largest", "central", "best-iou"] = "largest"
    max_reject_fraction: Fraction = 0.2


class LandmarksConfig(StrictModel):
    """Section ``landmarks``.

    Attributes:
        extractor: Landmark extractor.
        max_reject_fraction: ``landmarks`` fails when it finds no points on more.
    """

    extractor: str = "dlib68"
    max_reject_fraction: Fraction = 0.2


class HeatmapsConfig(StrictModel):
    """Section ``heatmaps``.

    Attributes:
        codebook: Name of a codebook, or the path of one.
        geometry: ``corrected``, ``paper``, or a third party's.
        size: Side of the stored maps.
    """

    codebook: str = "corrected"
    geometry: str = "corrected"
    size: Annotated[int, Field(ge=4, le=256)] = 28

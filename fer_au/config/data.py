"""Configuration of the data stages: ``datasets``, ``align``, ``landmarks``, ``heatmaps``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from fer_au.config.keys import PartOf
from fer_au.config.reading import PARAMS, NameOrPath, StrictModel, UserPath, entry, validate
from fer_au.config.unread import ReadIf

Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]  # what numpy and torch take

Fraction = Annotated[float, Field(ge=0, le=1)]
DEFAULT_DETECTOR = "yunet"
"""Found the most faces of both sets of photographs, with no more false ones: docs/landmarks.md."""


class AlignConfig(StrictModel):
    """Detection and alignment: one square crop per face.

    Attributes:
        detector: Face detector, or a list of detectors: the next one looks where those before it found no face.
        keypoints: Source of the five points that the crop is fitted to: the detector (its points, or else its box), or
            a dlib predictor of 5 or 68 points.
        template: Places of those five points in the crop; ``tight`` is ``loose``, shrunk and moved until the crop lies
            inside the picture; ``none`` keeps the crop unrotated.
        size: Side of the square crop in pixels.
        context: Side in pixels of an additional crop of the whole picture; 0 for none.
        on_missing: Treatment of a picture without a detected face: take it, cut at the scale and place of the set's
            found faces, by their median (whole where fewer than 20 were found, and under template ``none``), or reject
            it.
        choose: Rule that picks one of several detected faces; ``best-iou`` compares with the data set's own box.
        max_reject_fraction: Largest share of faces that ``align`` may lose; beyond it, the stage fails.
    """

    READ_IF = (ReadIf("keypoints", lambda align: align.template != "none", "template none fits no points"),)

    detector: str | tuple[str, ...] = DEFAULT_DETECTOR
    keypoints: Literal["detector", "dlib5", "dlib68"] = "dlib68"
    template: Literal["loose", "arcface", "tight", "none"] = "loose"
    size: Annotated[int, Field(ge=32, le=1024)] = 256
    context: Annotated[int, Field(ge=0, le=1024)] = 0
    on_missing: Literal["whole-image", "reject"] = "whole-image"
    choose: Literal["largest", "central", "best-iou"] = "largest"
    max_reject_fraction: Fraction = 0.2

    @field_validator("detector")
    @classmethod
    def _each_once(cls, names: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if names == ():
            raise ValueError("at least one detector is needed")
        if isinstance(names, tuple) and (doubled := [name for name in names if names.count(name) > 1]):
            raise ValueError(f"detector {doubled[0]!r} stands there twice")
        if isinstance(names, tuple) and "whole-image" in names[:-1]:
            later = names[names.index("whole-image") + 1]
            raise ValueError(f"detector 'whole-image' misses no face, so that {later!r} behind it never looks")
        return names

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors, in the order in which they look."""
        return (self.detector,) if isinstance(self.detector, str) else self.detector


class LandmarksConfig(StrictModel):
    """Extraction of the 68 points of every crop.

    Attributes:
        extractor: Landmark extractor.
        max_reject_fraction: Largest share of faces that may stay without points; beyond it, ``landmarks`` fails.
    """

    extractor: str = "dlib68"
    max_reject_fraction: Fraction = 0.2


class DatasetConfig(StrictModel):
    """One data set; its adapter adds keys of its own.

    Attributes:
        adapter: Adapter that reads the data set.
        root: Folder of the data set, inside or outside the project.
        valid_fraction: Share of the training part that becomes ``valid``, where the data set has no such split.
        test_fraction: Share of the pictures that becomes ``test``, where the data set has no such split.
        seed: Seed of the random splits.
        max_reject_fraction: Largest share of pictures that ``ingest`` may reject; beyond it, the stage fails.
        follow_links: Whether pictures, tables and folders may be links that lead out of ``root``. Links to pictures in
            the cache of DVC or git-annex always may. A link to a folder that holds it is never followed.
        on_leak: What follows where a photograph or a person lies in two splits or folds: ``report`` tells it;
            ``drop-from-train`` leaves out the faces of train that show what valid or test shows, those of valid that
            show what test shows, and of folds those of all but the first; ``fail`` ends the stage.
        align: Keys of the section ``align`` that this data set has of its own; the others are the section's.
        landmarks: Likewise of the section ``landmarks``.
    """

    adapter: str
    root: UserPath
    valid_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: Seed = 0
    max_reject_fraction: Fraction = 0.05
    follow_links: bool = False
    on_leak: Literal["report", "drop-from-train", "fail"] = "report"
    align: Annotated[dict[str, Any], PartOf(AlignConfig)] = Field(default_factory=dict)
    landmarks: Annotated[dict[str, Any], PartOf(LandmarksConfig)] = Field(default_factory=dict)


def load_root(name: str, path: Path = PARAMS) -> Path:
    """Load the root of data set ``name``; other keys of its entry, which its adapter knows, are left aside.

    Raises:
        ConfigError: There is no such entry, or it has no root.
    """
    known = {key: value for key, value in entry("datasets", name, path).items() if key in ("adapter", "root")}
    return validate(DatasetConfig, known, f"datasets.{name}", path).root


class DemoConfig(StrictModel):
    """Synthetic faces that the stage ``render`` writes to ``data/NAME/raw``, for a data set with adapter ``demo``.

    Attributes:
        identities: Number of people; the renderer knows 120 men and 120 women.
        images: Number of pictures of each person.
        size: Side of the square pictures in pixels.
        test_fraction: Share of the people in ``test``; the others are ``train``.
        seed: Seed of people, expressions and scenes.
    """

    identities: Annotated[int, Field(ge=2, le=120)] = 70
    images: Annotated[int, Field(ge=1, le=10_000)] = 20
    size: Annotated[int, Field(ge=96, le=1024)] = 256
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class HeatmapsConfig(StrictModel):
    """Action-unit maps: the reference of every evaluation.

    Attributes:
        codebook: Name or path of the codebook, which says which action units an expression has.
        geometry: Geometry that draws an action unit: ``corrected``, ``paper``, or one from another package.
        size: Side of the square stored maps in cells.
    """

    codebook: NameOrPath = "corrected"
    geometry: str = "corrected"
    size: Annotated[int, Field(ge=4, le=256)] = 28

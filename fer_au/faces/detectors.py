"""Face detectors: the registry, what a detection is, and which of several is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.faces.geometry import box_area, box_iou
from fer_au.registry import Registry, construct

Choice = Literal["largest", "central", "best-iou"]


@dataclass(frozen=True)
class Detection:
    """One face found in a picture.

    Attributes:
        box: x0, y0, x1, y1 in pixels of the picture (pixels' edges).
        score: The detector's own confidence; NaN where it has none.
        why: The pass or rule that found it, for people who look at odd rows.
        roll: Degrees by which the face is turned clockwise in the picture, where the detector knows.
        five: (5, 2) alignment points xy, where the detector gives them (order of ``templates.five_points``).
    """

    box: tuple[float, float, float, float]
    score: float
    why: str
    roll: float = 0.0
    five: tuple[tuple[float, float], ...] | None = None


class Detector(Protocol):
    """Finds faces. Instances are picklable and deterministic.

    A detector that stops at the first faces it finds is a dataclass with a field ``exhaustive: bool = False``; set, it
    looks for small faces beside large ones too. One that loads packages or weights has a method ``check() -> None``
    that raises ``MissingDependencyError`` when they are missing; it is called once, before the work begins.
    """

    @property
    def fingerprint(self) -> str:
        """sha256 of everything that decides the result: version, options, sha256 of weights."""
        ...

    def detect(self, image: NDArray[np.uint8], hint: ArrayLike | None = None) -> list[Detection]:
        """Find faces.

        Args:
            image: (H, W, 3) uint8 RGB.
            hint: The data set's own box x0, y0, x1, y1, where it has one; a detector may use or ignore it.

        Returns:
            The faces, in an order that depends on nothing but the picture; empty if there is none.
        """
        ...


DETECTORS: Registry[type[Detector]] = Registry(
    "face detector",
    "fer_au.detectors",
    built_in={
        "dlib-hog": "fer_au.faces.dlib_hog",
        "dlib-mmod": "fer_au.faces.dlib_mmod",
        "mediapipe-face": "fer_au.faces.mediapipe_face",
        "provided": "fer_au.faces.given_boxes",
        "whole-image": "fer_au.faces.given_boxes",
    },
)


def list_detectors() -> list[str]:
    """Names of the detectors, sorted.

    Example:
        >>> {"dlib-hog", "mediapipe-face", "whole-image"} <= set(list_detectors())
        True
    """
    return DETECTORS.names()


def create_detector(name: str, **options: object) -> Detector:
    """Make a detector.

    Args:
        name: A name of ``list_detectors()``.
        options: The detector's own options.

    Raises:
        UnknownNameError: No such detector.
        ConfigError: An option that the detector doesn't have.

    Example:
        >>> import numpy as np
        >>> picture = np.zeros((60, 80, 3), np.uint8)
        >>> len(create_detector("whole-image").detect(picture))
        1
    """
    return construct(DETECTORS, name, options)


def exhaustive(detector: Detector) -> Detector:
    """The same detector, not stopping at the first faces it finds; itself where it never does."""
    if is_dataclass(detector) and any(field.name == "exhaustive" for field in fields(detector)):
        return cast(Detector, replace(cast(Any, detector), exhaustive=True))
    return detector


def choose_detection(
    detections: Sequence[Detection], choice: Choice, width: int, height: int, hint: ArrayLike | None = None
) -> Detection:
    """Take one of several faces; of equals, the one with the higher score and then the earlier.

    Args:
        detections: At least one.
        choice: ``largest`` box; ``central``: centre nearest to the picture's; ``best-iou``: best overlap with the
            data set's box, and the best score in a row that has no box (the AU-cue paper's rule for RAF-DB).
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        hint: The data set's box.

    Raises:
        ValueError: No detections.
    """
    if not detections:
        raise ValueError("no detections to choose from")

    def merit(detection: Detection) -> tuple[float, float]:
        score = detection.score if np.isfinite(detection.score) else 0.0
        if choice == "largest":
            return box_area(detection.box), score
        if choice == "central":
            x0, y0, x1, y1 = detection.box
            return -float(np.hypot((x0 + x1 - width) / 2, (y0 + y1 - height) / 2)), score
        return (box_iou(detection.box, hint) if hint is not None else 0.0), score

    return max(detections, key=merit)

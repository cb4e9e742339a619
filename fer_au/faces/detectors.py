"""Face detectors: their base class, the registry, and the choice among several faces."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.config.options import PartOptions, construct
from fer_au.errors import MissingDependencyError, PartError, UnknownNameError
from fer_au.faces.finder import Finder
from fer_au.faces.geometry import box_area, box_iou
from fer_au.registry import Registry

_SHOWN = 120  # letters of a wrong answer in a message

Choice = Literal["largest", "central", "best-iou"]


@dataclass(frozen=True)
class Detection:
    """One face found in a picture.

    Attributes:
        box: Box x0, y0, x1, y1 in pixels of the picture (pixels' edges).
        score: Confidence of the detector; NaN where it has none.
        why: Pass or rule that found the face, for people who look at odd rows.
        roll: Degrees by which the face is turned clockwise in the picture, where the detector knows.
        five: Alignment points (5, 2) xy in the order of ``templates.five_points``; None where the detector gives none.
        detector: Name of the detector, which ``find_faces`` fills in.
    """

    box: tuple[float, float, float, float]
    score: float
    why: str
    roll: float = 0.0
    five: tuple[tuple[float, float], ...] | None = None
    detector: str = ""


class Detector(Finder):
    """Base of face detectors.

    Attributes:
        name: Name in ``params.yaml``.
        vouches: Whether a detected face was seen, by the detector or a person, and not only assumed. On an assumed
            face, landmarks from shifted boxes must agree (see ``landmarks.agreement``).
        looks: Whether it looks for faces; otherwise it gives one box that it is told or assumes, and there is nothing
            to choose from.
    """

    name: ClassVar[str]
    vouches: ClassVar[bool] = True
    looks: ClassVar[bool] = True

    @property
    def operation(self) -> str:
        """Name of the operation in fingerprints."""
        return f"detector/{self.name}"

    @abstractmethod
    def detect(self, image: NDArray[np.uint8], hint: ArrayLike | None = None) -> list[Detection]:
        """Find faces.

        Args:
            image: Picture (H, W, 3) uint8 RGB; the built-in detectors open Pillow images and files, too.
            hint: Box of the data set x0, y0, x1, y1, where it has one; a detector may use or ignore it.

        Returns:
            Faces in an order that depends on nothing but the picture; empty if there is none.

        Raises:
            ArgumentError: ``image`` is something else.
        """

    def exhaustive(self) -> Detector:
        """Return the detector that doesn't stop at the first faces it finds: itself, unless it is made otherwise."""
        return self


class StagedDetector(Detector):
    """Base of detectors that look from coarse to fine, and stop where they found a face."""

    class Options(PartOptions):
        """Options of detectors that look from coarse to fine.

        Attributes:
            exhaustive: Whether small faces are looked for beside large ones, too.
        """

        exhaustive: bool = False

    options: Options

    def exhaustive(self) -> Self:
        """Return the same detector with option ``exhaustive``."""
        return type(self)(**{**self.options.model_dump(), "exhaustive": True})


DETECTORS: Registry[type[Detector]] = Registry(
    "face detector",
    "fer_au.detectors",
    built_in={
        "dlib-hog": "fer_au.faces.dlib_hog",
        "dlib-mmod": "fer_au.faces.dlib_mmod",
        "mediapipe-face": "fer_au.faces.mediapipe_face",
        "provided": "fer_au.faces.given_boxes",
        "whole-image": "fer_au.faces.given_boxes",
        "yunet": "fer_au.faces.yunet",
    },
    base=Detector,
)


def list_detectors() -> list[str]:
    """List the names of the detectors, other packages' included, sorted.

    Example:
        >>> {"dlib-hog", "mediapipe-face", "whole-image"} <= set(list_detectors())
        True
    """
    return DETECTORS.names()


def create_detector(name: str, **options: object) -> Detector:
    """Make a detector.

    Args:
        name: Name of ``list_detectors()``.
        options: Options of the detector.

    Raises:
        UnknownNameError: There is no such detector; the message lists near names.
        ConfigError: The detector doesn't have an option, or refuses its value.

    Example:
        >>> import numpy as np
        >>> picture = np.zeros((60, 80, 3), np.uint8)
        >>> len(create_detector("whole-image").detect(picture))
        1
    """
    return construct(DETECTORS, name, options)


def find_faces(detector: Detector, image: NDArray[np.uint8], hint: ArrayLike | None = None) -> list[Detection]:
    """Find faces by a detector, and check them; arguments and result as ``Detector.detect``.

    Raises:
        PartError: The detector gave something else than faces with a box in the picture, in its pixels.
    """
    title, found = DETECTORS.title(detector), detector.detect(image, hint)
    if not isinstance(found, list | tuple) or not all(isinstance(one, Detection) for one in found):
        raise PartError(f"{title} gave {_shortened(found)}, expected a list of fer_au.faces.Detection")
    height, width = image.shape[:2]
    for one in found:
        box = np.asarray(one.box, np.float64)
        inside = box.shape == (4,) and np.isfinite(box).all() and (box[:2] < box[2:]).all()
        inside = inside and (box[:2] < (width, height)).all() and (box[2:] > 0).all()
        if not inside or (box.max() <= 1 < min(width, height)):
            raise PartError(
                f"{title} gave the box {_shortened(one.box)} in a picture of {width}x{height} pixels, "
                "expected x0, y0, x1, y1 in pixels of the picture"
            )
        if one.five is not None and (np.shape(one.five) != (5, 2) or not np.isfinite(one.five).all()):
            raise PartError(f"{title} gave the alignment points {_shortened(one.five)}, expected 5 finite xy")
    return [replace(one, detector=detector.name) for one in found]


def _shortened(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


@cache
def vouches(name: str) -> bool:
    """Tell whether a detector vouches for its faces (``Detector.vouches``).

    True for a detector that is not installed here, such as another lab's: its faces count as seen.
    """
    try:
        return DETECTORS.get(name).vouches
    except (UnknownNameError, MissingDependencyError):
        return True


def choose_detection(
    detections: Sequence[Detection], choice: Choice, width: int, height: int, hint: ArrayLike | None = None
) -> Detection:
    """Take one of several faces; the higher score and then the earlier place break ties.

    Args:
        detections: At least one face.
        choice: Rule: ``largest`` box; ``central``, the centre nearest to the picture's; ``best-iou``, the best overlap
            with the data set's box, and the best score in a row that has no box (the AU-cue paper's rule for RAF-DB).
        width: Width of the picture, pixels.
        height: Height of the picture, pixels.
        hint: Box of the data set.

    Raises:
        ValueError: There are no detections.
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

"""Landmark extractors: the registry, what an extractor promises, and its card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from fer_au.faces.templates import crop_boxes
from fer_au.ibug68 import N_POINTS
from fer_au.registry import Registry, construct

Images = NDArray[np.uint8]
FloatArray = NDArray[np.floating]
Found = tuple[FloatArray | None, float]


@dataclass(frozen=True)
class ExtractorCard:
    """What a lab must know before it uses an extractor.

    Attributes:
        name: Name in ``params.yaml``.
        summary: What it is, in one sentence.
        origin: Who made it, and the publication.
        licence: Of code and weights.
        training_data: What it was trained on, and the terms of that.
        limits: Where it fails or must not be used.
        install: How to get its weights; empty if nothing is needed.
    """

    name: str
    summary: str
    origin: str
    licence: str
    training_data: str
    limits: str
    install: str = ""


class Extractor(Protocol):
    """Finds the 68 points of faces in crops. Instances are picklable and deterministic.

    Attributes:
        card: What a lab must know.
        needs: Columns of ``annotations.h5`` without which it can't work; usually none. An extractor that needs
            ``points`` gets them, mapped into the crops, as ``annotated``, and no pixels (``images`` is (N, 0, 0, 3)).
    """

    card: ClassVar[ExtractorCard]
    needs: ClassVar[tuple[str, ...]]

    @property
    def fingerprint(self) -> str:
        """sha256 of everything that decides the result: version, options, sha256 of weights."""
        ...

    def extract(
        self, images: Images, boxes: FloatArray | None = None, annotated: FloatArray | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Find the landmarks.

        Args:
            images: (N, H, W, 3) uint8 RGB crops.
            boxes: (N, 4) face boxes xyxy in the crops, as ``faces.templates.HOG_BOX`` lies around a face; None for
                crops of the template ``loose``.
            annotated: (N, 68, 2) the data set's points xy in the crops, NaN where it has none.

        Returns:
            Points (N, 68, 2) float32 xy of the crop in the project's frame, NaN for a face that was not found, and
            scores (N,) float32, higher is surer, NaN where the extractor has none.

        Raises:
            DataError: The extractor needs annotations and there are none.
        """
        ...


EXTRACTORS: Registry[type[Extractor]] = Registry(
    "landmark extractor",
    "fer_au.extractors",
    built_in={
        "dlib68": "fer_au.landmarks.dlib68",
        "faceapi68": "fer_au.landmarks.faceapi68",
        "mean-shape": "fer_au.landmarks.mean_shape",
        "mediapipe": "fer_au.landmarks.mediapipe",
        "provided": "fer_au.landmarks.annotated",
        "truth": "fer_au.landmarks.annotated",
    },
)


def list_extractors() -> list[str]:
    """Names of the extractors, third parties' included, sorted.

    Example:
        >>> {"dlib68", "mediapipe", "provided"} <= set(list_extractors())
        True
    """
    return EXTRACTORS.names()


def create_extractor(name: str, **options: object) -> Extractor:
    """Make an extractor.

    Args:
        name: A name of ``list_extractors()``.
        options: The extractor's own options.

    Raises:
        UnknownNameError: No such extractor; the message lists near names.
        ConfigError: An option that the extractor doesn't have.
        MissingDependencyError: Its weights are not installed; the message tells how to get them.

    Example:
        >>> import numpy as np
        >>> crops, boxes = np.zeros((2, 96, 96, 3), np.uint8), np.array([[16.0, 16.0, 80.0, 80.0]] * 2)
        >>> points, score = create_extractor("mean-shape").extract(crops, boxes)
        >>> points.shape, score.shape
        ((2, 68, 2), (2,))
    """
    return construct(EXTRACTORS, name, options)


def extractor_card(name: str) -> ExtractorCard:
    """The card of an extractor, without loading its weights.

    Raises:
        UnknownNameError: No such extractor.
    """
    return EXTRACTORS.get(name).card


def extract_each(
    images: Images, boxes: FloatArray | None, find: Callable[[NDArray[np.uint8], FloatArray], Found]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What ``Extractor.extract`` gives, for an extractor that looks at one face at a time.

    Args:
        images: (N, H, W, 3) uint8 RGB crops.
        boxes: (N, 4) face boxes xyxy; None for crops of the template ``loose``. A row that is not finite has no face.
        find: Gives the points (68, 2) of a crop (H, W, 3) and its box, None where it sees no face, and the score.
    """
    if boxes is None:
        boxes = crop_boxes(images)
    points = np.full((len(images), N_POINTS, 2), np.nan, np.float32)
    score = np.full(len(images), np.nan, np.float32)
    for row, (image, box) in enumerate(zip(images, boxes, strict=True)):
        if np.isfinite(box).all():
            found, score[row] = find(image, box)
            if found is not None:
                points[row] = found
    return points, score

"""Landmark extractors: their base classes, their cards and the registry."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_au.answers import check_array
from fer_au.array_arguments import read_array
from fer_au.config.options import construct
from fer_au.errors import PartError
from fer_au.faces.finder import Finder
from fer_au.faces.templates import crop_boxes
from fer_au.ibug68 import N_POINTS
from fer_au.picture_arguments import read_crops
from fer_au.registry import Registry

Images = NDArray[np.uint8]
FloatArray = NDArray[np.floating]
_LEAST_SIDE = 16  # side of a crop, pixels, where the middles of faces can't all lie in one corner
Found = tuple[FloatArray | None, float]


@dataclass(frozen=True)
class ExtractorCard:
    """Facts that a lab must know before it uses an extractor.

    Attributes:
        name: Name in ``params.yaml``.
        summary: Description in one sentence.
        origin: Authors and publication.
        licence: Licence of code and weights.
        training_data: Data that it was trained on, and their terms.
        limits: Cases where it fails or must not be used.
        install: Command that installs its weights; empty if nothing is needed.
    """

    name: str
    summary: str
    origin: str
    licence: str
    training_data: str
    limits: str
    install: str = ""


class Extractor(Finder):
    """Base of landmark extractors, which find the 68 points of faces in crops.

    Attributes:
        card: Facts that a lab must know.
        needs: Columns of ``annotations.h5`` without which the extractor can't work; usually none. An extractor that
            needs ``points`` gets them, mapped into the crops, as ``annotated``, and no pixels (``images`` is
            (N, 0, 0, 3)).
    """

    card: ClassVar[ExtractorCard]
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def operation(self) -> str:
        """Name of the operation in fingerprints."""
        return f"landmarks/{self.card.name}"

    @abstractmethod
    def extract(
        self, images: Images, boxes: FloatArray | None = None, annotated: FloatArray | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Find the landmarks.

        Args:
            images: Crops (N, H, W, 3) uint8 RGB, a list of crops of one size, or one alone.
            boxes: Face boxes (N, 4) xyxy in the crops, as ``faces.templates.HOG_BOX`` lies around a face; None for
                crops of the template ``loose``.
            annotated: Points of the data set (N, 68, 2) xy in the crops, NaN where it has none.

        Returns:
            Points (N, 68, 2) float32 xy of the crop in the project's frame, NaN for a face that was not found; and
            scores (N,) float32, higher is surer, NaN where the extractor has none.

        Raises:
            DataError: The extractor needs annotations and there are none.
            ArgumentError: An argument is something else.
        """


class SingleExtractor(Extractor):
    """Base of extractors that look at one face at a time."""

    @abstractmethod
    def find(self, image: NDArray[np.uint8], box: FloatArray) -> Found:
        """Find the points of one face.

        Args:
            image: Crop (H, W, 3) uint8 RGB.
            box: Face box (4,) xyxy in the crop, finite.

        Returns:
            Points (68, 2) xy, None if no face was seen; and the score, NaN if there is none.
        """

    def extract(
        self, images: Images, boxes: FloatArray | None = None, annotated: FloatArray | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Find the landmarks, face by face; annotations are not used, a box that is not finite has no face."""
        images, boxes = read_faces(images, boxes)
        points = np.full((len(images), N_POINTS, 2), np.nan, np.float32)
        score = np.full(len(images), np.nan, np.float32)
        for row, (image, box) in enumerate(zip(images, boxes, strict=True)):
            if np.isfinite(box).all():
                found, score[row] = self.find(image, box)
                if found is not None:
                    check_array(EXTRACTORS.title(self), "points", found, (N_POINTS, 2))
                    points[row] = found
        return points, score


def read_faces(images: object, boxes: object) -> tuple[Images, FloatArray]:
    """Read the crops that an extractor is given, and their face boxes; arguments as in ``Extractor.extract``.

    Raises:
        ArgumentError: Crops or boxes are something else, or there are no boxes and the crops are not square.
    """
    crops = read_crops("images", images)
    if boxes is None:
        return crops, crop_boxes(crops)
    return crops, np.asarray(read_array("boxes", boxes, (len(crops), 4), library="numpy"))


EXTRACTORS: Registry[type[Extractor]] = Registry(
    "landmark extractor",
    "fer_au.extractors",
    built_in={
        "dlib68": "fer_au.landmarks.dlib68",
        "faceapi68": "fer_au.landmarks.faceapi68",
        "mean-shape": "fer_au.landmarks.mean_shape",
        "mediapipe": "fer_au.landmarks.mediapipe",
        "provided": "fer_au.landmarks.provided",
        "truth": "fer_au.landmarks.provided",
    },
    base=Extractor,
)


def list_extractors() -> list[str]:
    """List the names of the extractors, other packages' included, sorted.

    Example:
        >>> {"dlib68", "mediapipe", "provided"} <= set(list_extractors())
        True
    """
    return EXTRACTORS.names()


def extract_points(
    extractor: Extractor, images: Images, boxes: FloatArray | None = None, annotated: FloatArray | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find landmarks by an extractor, and check them; arguments and result as ``Extractor.extract``.

    Raises:
        PartError: The extractor gave other shapes, or points in no pixels of the crops.
    """
    title, found = EXTRACTORS.title(extractor), extractor.extract(images, boxes, annotated)
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise PartError(f"{title} gave a value of type {type(found).__name__}, expected points and scores")
    points, score = found
    check_array(title, "points", points, (len(images), N_POINTS, 2), like=images)
    check_array(title, "scores", score, (len(images),), like=images)
    seen = points[np.isfinite(points).all(axis=(1, 2))]
    side = max(images.shape[1:3])
    if len(seen) and side >= _LEAST_SIDE:
        middle = seen.mean(axis=1)
        # Points of one odd face may lie anywhere. Those of no face of the batch do, if the frame is another one.
        if (np.abs(middle) <= 1).all() or ((middle < -side) | (middle > 2 * side)).any(axis=1).all():
            raise PartError(
                f"{title} gave points with coordinates from {seen.min():.4g} to {seen.max():.4g} in crops of "
                f"{images.shape[2]}x{images.shape[1]} pixels, expected pixels of the crop"
            )
    return points, score


def create_extractor(name: str, **options: object) -> Extractor:
    """Make an extractor.

    Args:
        name: Name of ``list_extractors()``.
        options: Options of the extractor.

    Raises:
        UnknownNameError: There is no such extractor; the message lists near names.
        ConfigError: The extractor doesn't have an option, or refuses its value.
        MissingDependencyError: Its weights are not installed; the message tells how to get them.

    Example:
        >>> import numpy as np
        >>> crops, boxes = np.zeros((2, 96, 96, 3), np.uint8), np.array([[16.0, 16.0, 80.0, 80.0]] * 2)
        >>> points, score = create_extractor("mean-shape").extract(crops, boxes)
        >>> points.shape, score.shape
        ((2, 68, 2), (2,))
    """
    extractor = construct(EXTRACTORS, name, options)
    extractor.check()  # report missing weights here, in one line, and not in every worker
    return extractor


def extractor_card(name: str) -> ExtractorCard:
    """Return the card of an extractor, without loading its weights.

    Raises:
        UnknownNameError: There is no such extractor.
    """
    return EXTRACTORS.get(name).card

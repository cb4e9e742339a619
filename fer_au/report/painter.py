"""Draw the faces of one data set: the crop, its landmarks, and maps over it."""

from __future__ import annotations

from collections import OrderedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.faces.crops import decode_crop
from fer_au.heat import Image, Map, data_uri, fit, overlay
from fer_au.ibug68 import (
    INNER_LIPS,
    JAW,
    LEFT_BROW,
    LEFT_EYE,
    NOSE_BASE,
    NOSE_BRIDGE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
)
from fer_au.report.collect import Dataset
from fer_au.stores import FaceStatus, LandmarkStatus

_STROKES = (
    (JAW, False),
    (RIGHT_BROW, False),
    (LEFT_BROW, False),
    (NOSE_BRIDGE, False),
    (NOSE_BASE, False),
    (RIGHT_EYE, True),
    (LEFT_EYE, True),
    (OUTER_LIPS, True),
    (INNER_LIPS, True),
)
_LINE_COLOUR = (255, 255, 255)
_DOT_COLOUR = (255, 196, 61)
_SUBPIXEL_BITS = 4
_KEPT_FACES = 64


class FacePainter:
    """Painter of one data set's faces at one size, as data URIs.

    Args:
        dataset: Data set with crops, landmarks and AU maps.
        side: Side of every picture in pixels.
    """

    def __init__(self, dataset: Dataset, side: int) -> None:
        self.dataset = dataset
        self.side = side
        self._faces: OrderedDict[str, Image] = OrderedDict()

    def has_face(self, id_: str) -> bool:
        """Tell whether the image has a crop at all."""
        return int(self.dataset.faces["status"][self._row(id_)]) != FaceStatus.REJECTED

    def face_image(self, id_: str) -> Image:
        """Read the crop, (side, side, 3) RGB."""
        if id_ not in self._faces:
            self._faces[id_] = fit(decode_crop(self.dataset.faces, self._row(id_)), self.side)
            if len(self._faces) > _KEPT_FACES:
                self._faces.popitem(last=False)
        return self._faces[id_]

    def crop_side(self, id_: str) -> int:
        """Read the side of the stored crop, in whose pixels the landmarks are."""
        return int(decode_crop(self.dataset.faces, self._row(id_)).shape[0])

    def face(self, id_: str) -> str:
        """Draw the crop."""
        return data_uri(self.face_image(id_))

    def landmarks(self, id_: str) -> str | None:
        """Draw the crop with its 68 points; None if the extractor found none."""
        row = self.dataset.landmarks.index[id_]
        if int(self.dataset.landmarks["status"][row]) != LandmarkStatus.OK:
            return None
        points = np.asarray(self.dataset.landmarks.rows("points", row, row + 1)[0], np.float64)
        return data_uri(draw_landmarks(self.face_image(id_), points * (self.side / self.crop_side(id_))))

    def au_map(self, id_: str) -> str | None:
        """Draw the stored AU map over the face; None for neutral faces and faces without landmarks."""
        row = self.dataset.heatmaps.index[id_]
        if not bool(self.dataset.heatmaps["valid"][row]):
            return None
        return self.heat(id_, np.asarray(self.dataset.heatmaps.rows("map", row, row + 1)[0], np.float32))

    def heat(self, id_: str, heat: Map) -> str:
        """Draw any map over the face."""
        return data_uri(overlay(self.face_image(id_), heat))

    def _row(self, id_: str) -> int:
        return self.dataset.faces.index[id_]


def draw_landmarks(image: Image, points: NDArray[np.float64]) -> Image:
    """Draw iBUG-68 points and the contours they form.

    Args:
        image: (H, W, 3) RGB.
        points: (68, 2) xy in pixels of the image, pixel centres at i + 0.5.

    Returns:
        A new image.
    """
    scale = 1 << _SUBPIXEL_BITS
    # OpenCV draws with integer pixel centres, hence the half pixel.
    fixed = np.rint((points - 0.5) * scale).astype(np.int32)
    drawn = np.ascontiguousarray(image.copy())
    for indices, closed in _STROKES:
        cv2.polylines(drawn, [fixed[list(indices)]], closed, _LINE_COLOUR, 1, cv2.LINE_AA, _SUBPIXEL_BITS)
    softened = cv2.addWeighted(image, 0.4, drawn, 0.6, 0)
    radius = round(image.shape[0] / 110 * scale)
    for x, y in fixed.tolist():
        cv2.circle(softened, (x, y), radius, _DOT_COLOUR, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)
    return np.asarray(softened, np.uint8)


def mean_face(images: list[Image]) -> Image:
    """Average aligned crops of one size."""
    return np.rint(np.mean(np.stack(images), axis=0, dtype=np.float64)).astype(np.uint8)

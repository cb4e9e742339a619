"""Pictures for people: each face as the model saw it, and beside it the model's attention, painted over it."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.atomic import write_atomically
from fer_au.heat import fit, overlay
from fer_au.predictor import Prediction
from fer_au.use.finding import FacesOf

_SIDE, _BAR = 256, 28
_UNSAFE = re.compile(r"[^\w.-]+")
_LONGEST = 60  # characters of a picture's name


def write_overlays(folder: Path, prediction: Prediction, pictures: list[FacesOf], first: int) -> None:
    """Write one JPEG per face, ``<number of the picture>-<its name>-<number of the face>.jpg``.

    Args:
        folder: Folder of the files; made if it is missing.
        prediction: Answers for all faces of the pictures, in their order.
        pictures: What was found in each picture.
        first: Number of the first picture, from 0.

    Raises:
        StoreError: The disk refuses.
    """
    row = 0
    for place, picture in enumerate(pictures):
        stem = _UNSAFE.sub("_", Path(picture.path).stem)[:_LONGEST]
        for number in range(len(picture.faces)):
            path = folder / f"{first + place:06d}-{stem}-{number}.jpg"
            image = draw_overlay(prediction.crops[row], prediction.maps[row], _caption(prediction, row))
            _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, 92))
            write_atomically(path, bytes(data))
            row += 1


def draw_overlay(crop: NDArray[np.uint8], heat: NDArray[np.float32], caption: str) -> NDArray[np.uint8]:
    """Draw a crop, the map over it, and a line of text below.

    Args:
        crop: (H, W, 3) uint8 RGB.
        heat: (h, w) map on any grid that spans the crop.
        caption: The line.

    Returns:
        (284, 512, 3) uint8 RGB.
    """
    face = fit(crop, _SIDE)
    bar = np.full((_BAR, 2 * _SIDE, 3), 255, np.uint8)
    cv2.putText(bar, caption, (8, _BAR - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([np.hstack([face, overlay(face, heat)]), bar])


def _caption(prediction: Prediction, row: int) -> str:
    unseen = "" if prediction.found[row] else ", no face found"
    return f"{prediction.labels[row]} {prediction.scores[row].max():.2f}{unseen}"

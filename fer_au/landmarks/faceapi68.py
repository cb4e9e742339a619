"""Extractor ``faceapi68``: the small CNN of face-api, which finds the 68 points of iBUG by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_au.assets import FACE_API_68, FACE_API_68_TABLE, Weights
from fer_au.faces.geometry import Matrix, apply_matrix, invert_matrix
from fer_au.faces.warp import warp_crop
from fer_au.landmarks.extractors import EXTRACTORS, ExtractorCard, FloatArray, Found, Images, SingleExtractor

_SIZE = 112
# The network's square around a HOG box: its side, and how far its centre lies below the box's, in sides of the box.
# Of sides 0.9 to 1.5 and drops -0.05 to 0.15, these gave the least error on rendered faces and the best agreement with
# dlib on photographs; nearby values differ little.
_BOX_SCALE = 1.2
_BOX_DROP = 0.15
# The network's points lie this many of its pixels too far left and up: on mirrored pictures they are 0.7-0.9 px off
# their mirror images. The face is therefore moved right and down by as much before the network sees it.
_SHIFT = 0.8

CARD = ExtractorCard(
    name="faceapi68",
    summary="A CNN of 0.36 million parameters that answers the 68 points of a 112 px face; about 7 ms per face.",
    origin="face-api.js by Vincent Mühler, face-api by Vladimir Mandic; this project's torch port of the published "
    "weights.",
    licence="MIT, code and weights.",
    training_data="Undisclosed. The author tells of about 35,000 face images labelled with 68 points.",
    limits="No score: it gives 68 points for anything. Trained on upright faces: roll beyond about 20 degrees and "
    "profiles fail. Less exact than dlib68 and mediapipe; small movements of brows and lips are smoothed.",
    install=FACE_API_68.install,
)


@EXTRACTORS.register("faceapi68")
class FaceApi68(SingleExtractor):
    """Finds the network's 68 points in each crop, from the face's box there."""

    card = CARD
    version = 1
    weights: ClassVar[Mapping[str, Weights]] = {"weights": FACE_API_68, "table": FACE_API_68_TABLE}

    def constants(self) -> Mapping[str, object]:
        """Return where the network's square lies around a face."""
        return {"square": [_BOX_SCALE, _BOX_DROP, _SHIFT]}

    # The network is not imported at the top: torch takes a second to load, and listing extractors must not cost it.

    def extract(
        self, images: Images, boxes: FloatArray | None = None, annotated: FloatArray | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Find the landmarks, face by face on one thread; annotations are not used."""
        from fer_au.landmarks.faceapi_net import one_thread

        with one_thread():
            return super().extract(images, boxes, annotated)

    def find(self, image: NDArray[np.uint8], box: FloatArray) -> Found:
        """Find the points of one face; there is no score."""
        from fer_au.landmarks.faceapi_net import predict_square

        square = square_of(box)
        found = predict_square(warp_crop(image, _shifted(square), _SIZE))
        return apply_matrix(invert_matrix(square), found), math.nan


def square_of(box: FloatArray) -> Matrix:
    """Return the matrix from the picture to the network's 112 px square for a HOG-like face box xyxy."""
    side = float((box[2:] - box[:2]).mean())
    centre = (box[:2] + box[2:]) / 2 + np.array([0.0, _BOX_DROP * side])
    scale = _SIZE / (_BOX_SCALE * side)
    shift = _SIZE / 2 - scale * centre
    return np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])


def _shifted(square: Matrix) -> Matrix:
    """Return the matrix of the square that the network sees: everything a little further right and down."""
    shown = square.copy()
    shown[:, 2] += _SHIFT
    return shown

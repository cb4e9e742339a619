"""Run the BlazeFace network: 128 px squares in, candidate boxes with keypoints out.

Decoding follows the published description of single-shot detectors (Liu et al. 2016) with one anchor size: box centre
and keypoints are offsets from an anchor's centre, sizes are absolute.
"""

from __future__ import annotations

import threading
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.assets import BLAZE_FACE, find_weights
from fer_au.faces.candidates import Candidates, FloatArray

INPUT_SIZE = 128
"""Side of the network's input, pixels."""

MIN_SCORE = 0.5
"""Lowest probability of a face that is kept, MediaPipe's own default."""

_LAYERS = ((8, 2), (16, 6))
"""Stride of each output grid in input pixels, and anchors per cell: one layer of stride 8 and three of 16, two each."""

_MAX_LOGIT = 100.0
KEYPOINTS = ("right eye", "left eye", "nose tip", "mouth centre", "right ear", "left ear")
"""The network's keypoints in its order; right and left are the person's."""


class _Net(threading.local):
    """Network of one thread: a loaded network holds its activations, so threads must not share it."""

    loaded: cv2.dnn.Net | None = None

    def get(self) -> cv2.dnn.Net:
        if self.loaded is None:
            # The newer engine returns one of the two outputs only.
            self.loaded = cv2.dnn.readNetFromTFLite(str(find_weights(BLAZE_FACE)), cv2.dnn.ENGINE_CLASSIC)
        return self.loaded


_NET = _Net()


def forward(square: NDArray[np.uint8]) -> tuple[FloatArray, FloatArray]:
    """Run the network on a 128 px RGB square.

    Args:
        square: Square (128, 128, 3) uint8 RGB.

    Returns:
        Offsets (896, 16) and logits (896,) of the anchors, as ``decode`` takes them.

    Raises:
        MissingDependencyError: The bundled weights are missing.
    """
    net = _NET.get()
    net.setInput(cv2.dnn.blobFromImage(square, 1 / 127.5, mean=(127.5, 127.5, 127.5)))
    raw, logits = net.forward(["regressors", "classificators"])
    return np.asarray(raw[0], np.float64), np.asarray(logits[0, :, 0], np.float64)


@cache
def anchors() -> FloatArray:
    """Compute the anchors' centres, (896, 2) xy as fractions of the square; every anchor has the square's own size."""
    centres = []
    for stride, per_cell in _LAYERS:
        cells = INPUT_SIZE // stride
        y, x = np.divmod(np.arange(cells * cells), cells)
        centres.append(np.repeat((np.stack([x, y], axis=1) + 0.5) / cells, per_cell, axis=0))
    return np.concatenate(centres)


def decode(raw: FloatArray, logits: FloatArray) -> Candidates:
    """Decode the boxes and keypoints of the anchors whose score is high enough, as fractions of the square.

    Args:
        raw: Centre, size and six keypoints (896, 16) of the anchors' boxes, input pixels from the anchors' centres.
        logits: Logits (896,) of a face.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits, -_MAX_LOGIT, _MAX_LOGIT)))
    kept = scores >= MIN_SCORE
    origin = anchors()[kept]
    values = raw[kept] / INPUT_SIZE
    centre, half = values[:, :2] + origin, values[:, 2:4] / 2
    keypoints = values[:, 4:].reshape(-1, len(KEYPOINTS), 2) + origin[:, None]
    sound = (half > 0).all(axis=1) & np.isfinite(values).all(axis=1)
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    return Candidates(boxes[sound], keypoints[sound], scores[kept][sound])

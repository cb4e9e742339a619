"""Run the YuNet network: a picture in, candidate faces with five keypoints out.

The network (Wu, Peng and Yu 2023, "YuNet: A tiny millisecond-level face detector") has no anchors: each cell of three
grids, of stride 8, 16 and 32, answers once. Its centre and keypoints are offsets from the cell's corner in strides, its
sizes logarithms of strides. The score is the root of the product of two probabilities, of a face and of a good box.
That offsets count from corners of pixels, not from their centres, was measured on mirrored pictures: places of the eyes
and their mirror images add up to the width, where pixel indices would add up to one less.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.assets import YUNET, find_weights
from fer_au.faces.candidates import Candidates, FloatArray, joined

STEP = 32
"""Sides of the network's input are multiples of this, pixels."""

KEYPOINTS = ("right eye", "left eye", "nose tip", "right mouth corner", "left mouth corner")
"""The network's keypoints in its order, which is that of ``templates.five_points``; right and left are the person's."""

_STRIDES = (8, 16, 32)
_OUTPUTS = tuple(f"{kind}_{stride}" for stride in _STRIDES for kind in ("cls", "obj", "bbox", "kps"))
_MOST = 8.0
"""Largest logarithm of a box's size in strides: above, it overflows or is larger than any picture."""


class _Net(threading.local):
    """Network of one thread: a loaded network holds its activations, so threads must not share it."""

    loaded: cv2.dnn.Net | None = None

    def get(self) -> cv2.dnn.Net:
        if self.loaded is None:
            # The newer engine takes four fifths of the classic one's time.
            self.loaded = cv2.dnn.readNetFromONNX(str(find_weights(YUNET)), cv2.dnn.ENGINE_NEW)
        return self.loaded


_NET = _Net()


def look(image: NDArray[np.uint8], min_score: float) -> Candidates:
    """Find the candidates of a picture.

    Args:
        image: Picture (H, W, 3) uint8 RGB; H and W are multiples of ``STEP``.
        min_score: Lowest score that is kept.

    Returns:
        Candidates in pixels of the picture, not merged.

    Raises:
        MissingDependencyError: The bundled weights are missing.
    """
    net = _NET.get()
    net.setInput(cv2.dnn.blobFromImage(image, swapRB=True))
    answers = [np.asarray(one[0], np.float64) for one in net.forward(_OUTPUTS)]
    cells = image.shape[1]
    return joined(
        [
            decode(answers[4 * level : 4 * level + 4], stride, cells // stride, min_score)
            for level, stride in enumerate(_STRIDES)
        ]
    )


def decode(answers: list[FloatArray], stride: int, columns: int, min_score: float) -> Candidates:
    """Decode the answers of a grid.

    Args:
        answers: Of K cells, row by row: probabilities of a face (K, 1) and of a good box (K, 1), boxes (K, 4) as centre
            and logarithms of sizes, and keypoints (K, 10), in strides.
        stride: Side of a cell, pixels of the input.
        columns: Number of cells in a row.
        min_score: Lowest score that is kept.

    Returns:
        Candidates in pixels of the input.
    """
    face, good, boxes, keypoints = answers
    scores = np.sqrt(np.clip(face[:, 0], 0, 1) * np.clip(good[:, 0], 0, 1))
    sound = np.isfinite(boxes).all(axis=1) & np.isfinite(keypoints).all(axis=1) & (boxes[:, 2:] < _MOST).all(axis=1)
    kept = np.flatnonzero(sound & (scores >= min_score))
    cells = np.stack([kept % columns, kept // columns], axis=1)
    centres, halves = (cells + boxes[kept, :2]) * stride, np.exp(boxes[kept, 2:]) * stride / 2
    points = (keypoints[kept].reshape(-1, len(KEYPOINTS), 2) + cells[:, None]) * stride
    return Candidates(np.concatenate([centres - halves, centres + halves], axis=1), points, scores[kept])

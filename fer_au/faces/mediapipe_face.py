"""MediaPipe's BlazeFace, short range (Bazarevsky et al. 2019), through OpenCV's own network runtime.

The network looks at 128 px squares and answers once per anchor: 896 boxes, each with six keypoints and a logit. What
it finds are faces of about a sixth of the square and more, so a picture is tried whole, in a frame of repeated border
pixels, and only where nothing was found in a wider frame (tight crops), then in overlapping halves and quarters of its
longer side (small faces), where a face must be seen again with its surroundings.

Its box is drawn from brow to chin after another convention than dlib's, and jumps with the mouth. The eyes and the
middle of the mouth are steadier: the similarity that brings their average places to the three found ones gives the
HOG-like box, the roll and the five alignment points alike. The average places were fitted on rendered faces whose 68
points are known, by ``tools/fit_detector_boxes.py``, which prints the residuals too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.faces.detectors import DETECTORS, Detection
from fer_au.faces.geometry import Matrix, apply_matrix, box_area, fit_similarity, map_box
from fer_au.faces.templates import HOG_BOX, five_points
from fer_au.faces.warp import warp_crop
from fer_au.landmarks.mean_face import MEAN_FACE
from fer_au.landmarks.weights import BLAZE_FACE, find_weights
from fer_au.stores.fingerprints import fingerprint

VERSION = 1

INPUT_SIZE = 128
"""Side of the network's input, pixels."""

MIN_SCORE = 0.5
"""Lowest probability of a face that is kept, MediaPipe's own default."""

_FRAMES = (("framed", 1.3), ("tight", 1.8))
"""Side of the square around the whole picture, as a multiple of its longer side. A face that fills the square is often
missed or drawn around an eye: of tight crops the square itself shows 95 %, the first of these 98 %."""

_TILES = (("halves", 2), ("quarters", 4))

_SECOND_LOOK = 2.2
"""Side of the square in which a face of a tile must be seen again, as a multiple of its own."""

_CONFIRMED_SCORE = 0.6

_LAYERS = ((8, 2), (16, 6))
"""Stride of each output grid in input pixels, and anchors per cell: one layer of stride 8 and three of 16, two each."""

_MAX_LOGIT = 100.0
_MERGE_IOU = 0.3

KEYPOINTS = ("right eye", "left eye", "nose tip", "mouth centre", "right ear", "left ear")
"""The network's keypoints in its order; right and left are the person's."""

_FITTED = (0, 1, 3)

MEAN_PLACES = ((-0.363, -0.014), (0.363, -0.014), (0.0, 0.806))
"""Where the average face (``MEAN_FACE``, in its units) has the eyes and the middle of the mouth as the network sets
them: the means over rendered faces, made symmetric."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class _Window:
    """A square of the source: its corner and its side in source pixels."""

    x: float
    y: float
    side: float


@dataclass(frozen=True)
class Candidates:
    """Boxes above the threshold, in one frame.

    Attributes:
        boxes: (K, 4) xyxy.
        keypoints: (K, 6, 2) xy.
        scores: (K,) probabilities.
    """

    boxes: FloatArray
    keypoints: FloatArray
    scores: FloatArray


@DETECTORS.register("mediapipe-face")
@dataclass(frozen=True)
class MediaPipeFace:
    """Faces from about 25 px upwards, to profile views; the score is the network's probability.

    Attributes:
        exhaustive: Look at halves and quarters too where the whole picture shows a face: small ones beside large ones.
    """

    exhaustive: bool = False

    @property
    def fingerprint(self) -> str:
        """See ``Detector``."""
        options = {"exhaustive": self.exhaustive, "weights": BLAZE_FACE.sha256, "places": MEAN_PLACES}
        return fingerprint("detector/mediapipe-face", VERSION, options)

    def check(self) -> None:
        """Find what ``detect`` will load.

        Raises:
            MissingDependencyError: It is not installed.
        """
        find_weights(BLAZE_FACE)

    def detect(self, image: NDArray[np.uint8], hint: ArrayLike | None = None) -> list[Detection]:
        """Find faces; see ``Detector``. The hint is not used.

        Raises:
            MissingDependencyError: The bundled weights are missing.
        """
        height, width = image.shape[:2]
        found: list[tuple[str, Candidates]] = []
        for why, windows in _passes(width, height):
            one = _merge(_look(image, windows))
            if len(windows) > 1:
                one = _confirmed(image, one)
            if len(one.scores):
                found.append((why, one))
                if not self.exhaustive:
                    break
        return _detections(found)


def face_keypoints(image: NDArray[np.uint8]) -> FloatArray:
    """The network's own keypoints of the faces in a picture, (K, 6, 2) xy, from the first pass alone."""
    _, windows = next(_passes(image.shape[1], image.shape[0]))
    return _merge(_look(image, windows)).keypoints


def _passes(width: int, height: int) -> Iterator[tuple[str, list[_Window]]]:
    """The tries at a picture, cheapest first: their names and the squares to look at."""
    longest = max(width, height)
    for why, frame in _FRAMES:
        yield why, [_framed(width, height, frame * longest)]
    for why, parts in _TILES:
        side = longest / parts
        if side < INPUT_SIZE / 2:  # enlarging further shows nothing new
            return
        yield why, [_Window(x, y, side) for y in _starts(height, side) for x in _starts(width, side)]


def _framed(width: int, height: int, side: float) -> _Window:
    return _Window((width - side) / 2, (height - side) / 2, side)


def _starts(length: int, side: float) -> list[float]:
    """Starts of windows that overlap by half and cover a length evenly; one in the middle where a window covers it."""
    if length <= side:
        return [(length - side) / 2]
    steps = int(np.ceil((length - side) / (side / 2)))
    return [float(start) for start in np.linspace(0, length - side, steps + 1)]


def _look(image: NDArray[np.uint8], windows: list[_Window]) -> Candidates:
    """What the network sees in some squares, in source pixels.

    Boxes that touch a square's edge inside the picture are dropped: they are cut, and a neighbouring square shows them
    whole.
    """
    return _joined([_in_window(image, window, several=len(windows) > 1) for window in windows])


def _in_window(image: NDArray[np.uint8], window: _Window, *, several: bool) -> Candidates:
    scale = INPUT_SIZE / window.side
    square = warp_crop(image, [[scale, 0, -scale * window.x], [0, scale, -scale * window.y]], INPUT_SIZE)
    seen = decode(*_forward(square))
    kept = np.ones(len(seen.scores), np.bool_)
    if several:
        height, width = image.shape[:2]
        inner = np.array([window.x > 0, window.y > 0, window.x + window.side < width, window.y + window.side < height])
        beyond = np.concatenate([seen.boxes[:, :2] < 0, seen.boxes[:, 2:] > 1], axis=1)
        kept = ~(beyond & inner).any(axis=1)
    corner = np.array([window.x, window.y])
    return Candidates(
        seen.boxes[kept] * window.side + np.tile(corner, 2),
        seen.keypoints[kept] * window.side + corner,
        seen.scores[kept],
    )


def _confirmed(image: NDArray[np.uint8], seen: Candidates) -> Candidates:
    """The boxes that the network sees again in a square around each of them, as it sees them there.

    Among the many enlarged squares of a background some look like a face; with other surroundings most no longer do.
    """
    again = []
    for box in seen.boxes:
        side = _SECOND_LOOK * float((box[2:] - box[:2]).max())
        x, y = ((box[:2] + box[2:]) / 2 - side / 2).tolist()
        look = _merge(_in_window(image, _Window(x, y, side), several=False))
        near = np.flatnonzero((_overlaps(box, look.boxes) > _MERGE_IOU) & (look.scores >= _CONFIRMED_SCORE))[:1]
        again.append(Candidates(look.boxes[near], look.keypoints[near], look.scores[near]))
    return _merge(_joined(again))


def _joined(parts: list[Candidates]) -> Candidates:
    return Candidates(
        np.concatenate([np.empty((0, 4)), *(part.boxes for part in parts)]),
        np.concatenate([np.empty((0, len(KEYPOINTS), 2)), *(part.keypoints for part in parts)]),
        np.concatenate([np.empty(0), *(part.scores for part in parts)]),
    )


class _Net(threading.local):
    """The network of one thread: a loaded one holds its activations, so threads must not share it."""

    loaded: cv2.dnn.Net | None = None

    def get(self) -> cv2.dnn.Net:
        if self.loaded is None:
            # The newer engine returns one of the two outputs only.
            self.loaded = cv2.dnn.readNetFromTFLite(str(find_weights(BLAZE_FACE)), cv2.dnn.ENGINE_CLASSIC)
        return self.loaded


_NET = _Net()


def _forward(square: NDArray[np.uint8]) -> tuple[FloatArray, FloatArray]:
    """The network's answers for a 128 px RGB square: (896, 16) numbers and (896,) logits."""
    net = _NET.get()
    net.setInput(cv2.dnn.blobFromImage(square, 1 / 127.5, mean=(127.5, 127.5, 127.5)))
    raw, logits = net.forward(["regressors", "classificators"])
    return np.asarray(raw[0], np.float64), np.asarray(logits[0, :, 0], np.float64)


@cache
def anchors() -> FloatArray:
    """Centres of the anchors, (896, 2) xy as fractions of the square; every anchor has the square's own size."""
    centres = []
    for stride, per_cell in _LAYERS:
        cells = INPUT_SIZE // stride
        y, x = np.divmod(np.arange(cells * cells), cells)
        centres.append(np.repeat((np.stack([x, y], axis=1) + 0.5) / cells, per_cell, axis=0))
    return np.concatenate(centres)


def decode(raw: FloatArray, logits: FloatArray) -> Candidates:
    """Boxes and keypoints of the anchors whose score is high enough, as fractions of the square.

    Args:
        raw: (896, 16) centre, size and six keypoints in input pixels, relative to the anchors' centres.
        logits: (896,).
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


def _merge(candidates: Candidates) -> Candidates:
    """Weighted non-maximum suppression: a cluster becomes its mean, weighted by score, with the best score.

    As MediaPipe does, overlap is measured to the best box of the cluster.
    """
    boxes, keypoints, scores = candidates.boxes, candidates.keypoints, candidates.scores
    left = np.argsort(-scores, kind="stable")
    merged: list[tuple[FloatArray, FloatArray, float]] = []
    while len(left):
        near = _overlaps(boxes[left[0]], boxes[left]) > _MERGE_IOU
        near[0] = True
        group = left[near]
        weights = scores[group] / scores[group].sum()
        points = np.einsum("k,kij->ij", weights, keypoints[group])
        merged.append((weights @ boxes[group], points, float(scores[left[0]])))
        left = left[~near]
    return Candidates(
        np.array([box for box, _, _ in merged]).reshape(-1, 4),
        np.array([points for _, points, _ in merged]).reshape(-1, len(KEYPOINTS), 2),
        np.array([score for _, _, score in merged], np.float64),
    )


def _overlaps(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """IoU of a box with each of some boxes, (K,)."""
    common = _common(box, boxes)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return np.asarray(common / (areas + box_area(box) - common), np.float64)


def _common(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Area that a box shares with each of some boxes, (K,)."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    return np.asarray(np.clip(sides, 0, None).prod(axis=1), np.float64)


def _detections(found: list[tuple[str, Candidates]]) -> list[Detection]:
    """Faces of all passes, best first; a face that several passes saw, or saw parts of, is that of the first."""
    faces: list[tuple[FloatArray, Detection]] = []
    for why, seen in found:
        for box, keypoints, score in zip(seen.boxes, seen.keypoints, seen.scores.tolist(), strict=True):
            earlier = np.array([other for other, _ in faces]).reshape(-1, 4)
            matrix = face_matrix(keypoints)
            if matrix is not None and not (_common(box, earlier) > 0.5 * box_area(box)).any():
                faces.append((box, _detection(matrix, score, why)))
    return sorted((face for _, face in faces), key=lambda face: -face.score)


def face_matrix(keypoints: FloatArray) -> Matrix | None:
    """The similarity from ``MEAN_FACE`` to the picture, None where eyes and mouth fell on one spot.

    Args:
        keypoints: (6, 2) xy in the picture.
    """
    try:
        return fit_similarity(MEAN_PLACES, keypoints[list(_FITTED)])
    except ValueError:
        return None


def _detection(matrix: Matrix, score: float, why: str) -> Detection:
    x0, y0, x1, y1 = map_box(matrix, HOG_BOX).tolist()
    roll = float(np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0])))
    five = tuple((x, y) for x, y in apply_matrix(matrix, five_points(MEAN_FACE)).tolist())
    return Detection((x0, y0, x1, y1), score, why, roll, five)

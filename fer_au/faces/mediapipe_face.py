"""MediaPipe's BlazeFace, short range (Bazarevsky et al. 2019), through OpenCV's own network runtime.

The network looks at 128 px squares and answers once per anchor: 896 boxes, each with six keypoints and a logit. It
finds faces from about a sixth of the square upwards. A picture is therefore tried whole, in a frame of repeated border
pixels. Only where no face is found, a wider frame follows (for tight crops), then overlapping halves and quarters of
the longer side (for small faces), where a face must be seen again with its surroundings.

The network draws its box from brow to chin, by another convention than dlib's, and the box jumps with the mouth. Its
keypoints at the eyes and the middle of the mouth are steadier: the similarity from their average places to the three
that were found gives the HOG-like box, the roll and the five alignment points. ``tools/fit_detector_boxes.py`` fitted
the average places on rendered faces whose 68 points are known; it prints the residuals, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.assets import BLAZE_FACE, Weights
from fer_au.faces.blaze_face import INPUT_SIZE, KEYPOINTS, decode, forward
from fer_au.faces.candidates import (
    MERGE_IOU,
    Candidates,
    FloatArray,
    joined,
    merge,
    overlaps,
    shared_area,
    without_faces,
)
from fer_au.faces.detectors import DETECTORS, Detection, StagedDetector
from fer_au.faces.geometry import Matrix, apply_matrix, box_area, fit_similarity, map_box
from fer_au.faces.templates import HOG_BOX, five_points
from fer_au.faces.warp import warp_crop
from fer_au.ibug68 import MEAN_FACE
from fer_au.pictures import open_picture

_FRAMES = (("framed", 1.3), ("tight", 1.8))
"""Side of the square around the whole picture, as a multiple of its longer side. A face that fills the square is often
missed or drawn around an eye: of tight crops 95 % are found in the square itself, and 98 % in the first frame."""

_TILES = (("halves", 2), ("quarters", 4))

_SECOND_LOOK = 2.2
"""Side of the square in which a face of a tile must be seen again, as a multiple of its own."""

_CONFIRMED_SCORE = 0.6

_FITTED = (0, 1, 3)

MEAN_PLACES = ((-0.363, -0.014), (0.363, -0.014), (0.0, 0.806))
"""Places of the network's keypoints at the eyes and the middle of the mouth on the average face (``MEAN_FACE``, in its
units): means over rendered faces, made symmetric."""


@dataclass(frozen=True)
class _Window:
    """Square of the source: its corner and its side in source pixels."""

    x: float
    y: float
    side: float


@DETECTORS.register("mediapipe-face")
class MediaPipeFace(StagedDetector):
    """Finds faces from about 25 px upwards, to profile views; the score is the network's probability."""

    class Options(StagedDetector.Options):
        """Options of detector ``mediapipe-face``.

        Attributes:
            exhaustive: Whether halves and quarters are looked at too where the whole picture shows a face, for small
                faces beside large ones.
        """

    name = "mediapipe-face"
    version = 1
    weights: ClassVar[Mapping[str, Weights]] = {"weights": BLAZE_FACE}
    options: Options

    def constants(self) -> Mapping[str, object]:
        """Return where the average face has the network's keypoints."""
        return {"places": MEAN_PLACES}

    def detect(self, image: NDArray[np.uint8], hint: ArrayLike | None = None) -> list[Detection]:
        """Find faces; the hint is not used.

        Raises:
            MissingDependencyError: The bundled weights are missing.
        """
        image = open_picture("image", image)
        height, width = image.shape[:2]
        found: list[tuple[str, Candidates]] = []
        for why, windows in _passes(width, height):
            one = merge(_look(image, windows))
            if len(windows) > 1:
                one = _confirmed(image, one)
            if len(one.scores):
                found.append((why, one))
                if not self.options.exhaustive:
                    break
        return _detections(found)


def face_keypoints(image: NDArray[np.uint8]) -> FloatArray:
    """Find the network's own keypoints of the faces in a picture, (K, 6, 2) xy, by the first pass alone."""
    _, windows = next(_passes(image.shape[1], image.shape[0]))
    return merge(_look(image, windows)).keypoints


def _passes(width: int, height: int) -> Iterator[tuple[str, list[_Window]]]:
    """List the tries at a picture, cheapest first: their names and the squares to look at."""
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
    """Place windows that overlap by half evenly over a length; one in the middle where a single window covers it."""
    if length <= side:
        return [(length - side) / 2]
    steps = int(np.ceil((length - side) / (side / 2)))
    return [float(start) for start in np.linspace(0, length - side, steps + 1)]


def _look(image: NDArray[np.uint8], windows: list[_Window]) -> Candidates:
    """Run the network on some squares; candidates are in source pixels.

    Boxes that touch a square's edge inside the picture are dropped: they are cut, and a neighbouring square shows them
    whole.
    """
    return joined([_in_window(image, window, several=len(windows) > 1) for window in windows])


def _in_window(image: NDArray[np.uint8], window: _Window, *, several: bool) -> Candidates:
    scale = INPUT_SIZE / window.side
    square = warp_crop(image, [[scale, 0, -scale * window.x], [0, scale, -scale * window.y]], INPUT_SIZE)
    seen = decode(*forward(square))
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
    """Keep the boxes that the network sees again in a square around each of them, as it sees them there.

    Among the many enlarged squares of a background some look like a face; with other surroundings most no longer do.
    """
    again = [without_faces(len(KEYPOINTS))]
    for box in seen.boxes:
        side = _SECOND_LOOK * float((box[2:] - box[:2]).max())
        x, y = ((box[:2] + box[2:]) / 2 - side / 2).tolist()
        look = merge(_in_window(image, _Window(x, y, side), several=False))
        near = np.flatnonzero((overlaps(box, look.boxes) > MERGE_IOU) & (look.scores >= _CONFIRMED_SCORE))[:1]
        again.append(Candidates(look.boxes[near], look.keypoints[near], look.scores[near]))
    return merge(joined(again))


def _detections(found: list[tuple[str, Candidates]]) -> list[Detection]:
    """Collect the faces of all passes, best first; the first of several passes that saw a face, or a part, has it."""
    faces: list[tuple[FloatArray, Detection]] = []
    for why, seen in found:
        for box, keypoints, score in zip(seen.boxes, seen.keypoints, seen.scores.tolist(), strict=True):
            earlier = np.array([other for other, _ in faces]).reshape(-1, 4)
            matrix = face_matrix(keypoints)
            if matrix is not None and not (shared_area(box, earlier) > 0.5 * box_area(box)).any():
                faces.append((box, _detection(matrix, score, why)))
    return sorted((face for _, face in faces), key=lambda face: -face.score)


def face_matrix(keypoints: FloatArray) -> Matrix | None:
    """Fit the similarity from ``MEAN_FACE`` to the picture; None where eyes and mouth fell on one spot.

    Args:
        keypoints: Keypoints (6, 2) xy in the picture.
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

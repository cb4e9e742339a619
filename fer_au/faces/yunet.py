"""YuNet (Wu, Peng and Yu 2023), a small convolutional face detector, through OpenCV's own network runtime.

The network sees faces from about 10 px to the whole of its input, at a cost per pixel. A picture is therefore scaled to
a small input first, without a frame: of tight crops 97 % are found so, but 92 % in a frame of repeated border pixels.
Only where no face is found, other sizes follow, a frame (for faces that the border cuts), tilted pictures, and larger
inputs for small faces, which are searched in overlapping tiles and must be seen again, enlarged.

Where the network sees eyes, nose and mouth differs from the project's five alignment points by a fixed part of the
face, not quite the same on the left as on the right. ``MEAN_PLACES`` are its means on rendered faces whose 68 points
are known (``tools/fit_detector_boxes.py`` prints them); the similarity from there to the five that were found gives the
HOG-like box and the roll, and carries the difference to the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PositiveInt

from fer_au.assets import YUNET, Weights
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
from fer_au.faces.geometry import Matrix, apply_matrix, box_area, fit_similarity, invert_matrix, map_box
from fer_au.faces.templates import HOG_BOX, five_points
from fer_au.faces.turning import turn_upright
from fer_au.faces.warp import warp_crop
from fer_au.faces.yunet_net import KEYPOINTS, STEP, look
from fer_au.ibug68 import MEAN_FACE
from fer_au.pictures import open_picture

Image = NDArray[np.uint8]

_TILE = 1024
"""Largest side of the network's input: a larger picture is searched in tiles, so that memory is bounded."""

_SHARED = 256
"""Pixels that neighbouring tiles share at least; a larger face was found in a smaller picture."""


_SECOND_LOOK = 2.0
"""Side of the square in which a small face must be seen again, as a multiple of its own."""

_SECOND_SIDE = 128
"""Side of that square in the network's input, pixels."""


@dataclass(frozen=True)
class Pass:
    """One try at a picture.

    Attributes:
        why: Name of the pass in the results.
        longest: Pixels of the picture's longer side after scaling, before padding.
        pad: Width of the frame of repeated pixels, as a fraction of ``longest``.
        roll: Degrees by which sought faces are turned clockwise.
        only_above: Longer side up to which a picture skips the pass: enlarging further shows nothing new.
        shrinks: Whether a picture smaller than ``longest`` is looked at in its own size.
    """

    why: str
    longest: int
    pad: float = 0.0
    roll: float = 0.0
    only_above: int = 0
    shrinks: bool = False


PASSES = (
    Pass("whole", 192),
    Pass("fine", 256),
    Pass("coarse", 128),
    Pass("framed", 160, pad=0.15),
    Pass("tilt+", 192, pad=0.1, roll=45),
    Pass("tilt-", 192, pad=0.1, roll=-45),
    Pass("half", 512, only_above=256),
    Pass("large", 1024, only_above=512),
    Pass("full", 5120, only_above=1024, shrinks=True),
)
"""In their order. One core: 3, 4, 1, 3, 4, 4, 18 and 70 ms, and 70 ms for each megapixel of the last."""

MEAN_PLACES = ((-0.372, -0.056), (0.374, -0.043), (-0.018, 0.377), (-0.326, 0.715), (0.292, 0.737))
"""Places of the network's keypoints on the average face (``MEAN_FACE``, in its units): means over rendered faces."""


@DETECTORS.register("yunet")
class YuNet(StagedDetector):
    """Finds faces from 20 px upwards, to profile views and any size; the score is the network's, from 0 to 1."""

    class Options(StagedDetector.Options):
        """Options of detector ``yunet``.

        Attributes:
            exhaustive: Whether small faces beside large ones are found too: all untilted passes are looked at, not only
                up to the first that succeeds.
            min_score: Lowest score of a face.
            overlap: Intersection over union above which boxes show one face.
            top_k: Number of boxes, best first, that are merged into faces.
        """

        min_score: Annotated[float, Field(gt=0, lt=1)] = 0.6
        overlap: Annotated[float, Field(gt=0, lt=1)] = MERGE_IOU
        top_k: PositiveInt = 5000

    name = "yunet"
    version = 1
    weights: ClassVar[Mapping[str, Weights]] = {"weights": YUNET}
    options: Options

    def constants(self) -> Mapping[str, object]:
        """Return where the average face has the network's keypoints."""
        return {"places": MEAN_PLACES}

    def detect(self, image: Image, hint: ArrayLike | None = None) -> list[Detection]:
        """Find faces; the hint is not used.

        Raises:
            MissingDependencyError: The bundled weights are missing.
        """
        image = open_picture("image", image)
        faces: list[tuple[FloatArray, Detection]] = []
        for one in PASSES:
            if max(image.shape[:2]) <= one.only_above or (self.options.exhaustive and one.roll):
                continue
            for box, face in self._faces(image, one):
                if not _is_known(box, [other for other, _ in faces]):
                    faces.append((box, face))
            if faces and not self.options.exhaustive:
                break
        return sorted((face for _, face in faces), key=lambda face: -face.score)

    def _faces(self, image: Image, one: Pass) -> Iterator[tuple[FloatArray, Detection]]:
        """Find the faces of one pass, best first: the network's box (4,) xyxy in the picture, and the detection."""
        canvas, matrix = _canvas(image, one)
        seen = merge(_best(_tiled(canvas, self.options.min_score), self.options.top_k), self.options.overlap)
        if one.only_above:
            seen = _confirmed(canvas, seen, self.options.min_score)
        back = invert_matrix(matrix)
        for box, keypoints, score in zip(seen.boxes, seen.keypoints, seen.scores.tolist(), strict=True):
            own = apply_matrix(back, keypoints)
            found = _detection(own, score, one.why)
            if found is not None and _is_inside(found.box, image):
                yield map_box(back, box), found


def face_keypoints(image: Image) -> FloatArray:
    """Find the network's own keypoints of the faces in a picture, (K, 5, 2) xy, by the first pass alone."""
    canvas, matrix = _canvas(image, PASSES[0])
    return apply_matrix(invert_matrix(matrix), merge(_tiled(canvas, YuNet.Options().min_score)).keypoints)


def _detection(keypoints: FloatArray, score: float, why: str) -> Detection | None:
    """Make a detection of the network's keypoints (5, 2) xy; None where they fell on one spot."""
    try:
        matrix = fit_similarity(MEAN_PLACES, keypoints)
        invert_matrix(matrix)
    except ValueError:
        return None
    x0, y0, x1, y1 = map_box(matrix, HOG_BOX).tolist()
    roll = float(np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0])))
    moved = keypoints + (five_points(MEAN_FACE) - MEAN_PLACES) @ matrix[:, :2].T
    return Detection((x0, y0, x1, y1), score, why, roll, tuple((x, y) for x, y in moved.tolist()))


def _is_inside(box: tuple[float, float, float, float], image: Image) -> bool:
    """Tell whether the middle of a box lies in the picture: in its frame, repeated pixels may look like a face."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return bool(0 < x < image.shape[1] and 0 < y < image.shape[0])


def _is_known(box: FloatArray, earlier: list[FloatArray]) -> bool:
    """Tell whether a box shows a face, or a part of a face, that an earlier pass saw; or a frame around one."""
    others = np.array(earlier).reshape(-1, 4)
    smaller = np.minimum((others[:, 2:] - others[:, :2]).prod(axis=1), box_area(box))
    return bool((shared_area(box, others) > 0.5 * smaller).any())


def _canvas(image: Image, one: Pass) -> tuple[Image, Matrix]:
    """Scale, frame and turn a picture; return it with the matrix from the source to it.

    The frame brings the sides to multiples of the network's step.
    """
    height, width = image.shape[:2]
    scale = (min(one.longest, max(height, width)) if one.shrinks else one.longest) / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    pad = round(one.pad * one.longest)
    wide, high = (-(-(side + 2 * pad) // STEP) * STEP for side in size)
    left, top = (wide - size[0]) // 2, (high - size[1]) // 2
    right, bottom = wide - size[0] - left, high - size[1] - top
    framed = cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_REPLICATE)
    matrix = np.array([[size[0] / width, 0, left], [0, size[1] / height, top]], np.float64)
    if one.roll:
        return turn_upright(np.asarray(framed, np.uint8), matrix, one.roll)
    return np.asarray(framed, np.uint8), matrix


def _tiled(canvas: Image, min_score: float) -> Candidates:
    """Look at a canvas, at a large one tile by tile; candidates are in its pixels.

    Boxes that touch a tile's edge inside the canvas are dropped: they are cut, and a neighbouring tile shows them
    whole.
    """
    parts = [without_faces(len(KEYPOINTS))]
    height, width = canvas.shape[:2]
    for y in _starts(height):
        for x in _starts(width):
            tile = np.ascontiguousarray(canvas[y : y + _TILE, x : x + _TILE])
            seen = look(tile, min_score)
            last = tile.shape[1], tile.shape[0]
            inner = np.array([x > 0, y > 0, x + last[0] < width, y + last[1] < height])
            beyond = np.concatenate([seen.boxes[:, :2] < 0, seen.boxes[:, 2:] > last], axis=1)
            kept = ~(beyond & inner).any(axis=1)
            corner = np.array([x, y], np.float64)
            boxes, keypoints = seen.boxes[kept] + np.tile(corner, 2), seen.keypoints[kept] + corner
            parts.append(Candidates(boxes, keypoints, seen.scores[kept]))
    return joined(parts)


def _confirmed(canvas: Image, seen: Candidates, min_score: float) -> Candidates:
    """Keep the faces that the network sees again, enlarged in a square around each of them.

    Among the many cells of a large background some look like a face; seen larger, most no longer do.
    """
    kept = []
    for number, box in enumerate(seen.boxes):
        side = _SECOND_LOOK * float((box[2:] - box[:2]).max())
        scale, corner = _SECOND_SIDE / side, (box[:2] + box[2:] - side) / 2
        matrix = np.concatenate([np.eye(2) * scale, -scale * corner[:, None]], axis=1)
        again = look(warp_crop(canvas, matrix, _SECOND_SIDE), min_score)
        if (overlaps((box - np.tile(corner, 2)) * scale, again.boxes) > MERGE_IOU).any():
            kept.append(number)
    return Candidates(seen.boxes[kept], seen.keypoints[kept], seen.scores[kept])


def _starts(length: int) -> list[int]:
    """Place tiles over a length, at multiples of the network's step; a single one where it covers everything."""
    if length <= _TILE:
        return [0]
    steps = -(-(length - _TILE) // (_TILE - _SHARED))
    return [round((length - _TILE) * step / steps / STEP) * STEP for step in range(steps + 1)]


def _best(seen: Candidates, count: int) -> Candidates:
    """Keep the best candidates; of equal scores those that come first."""
    first = np.argsort(-seen.scores, kind="stable")[:count]
    return Candidates(seen.boxes[first], seen.keypoints[first], seen.scores[first])

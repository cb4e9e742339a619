"""dlib's frontal face detector (HOG + linear SVM, King 2015), run from coarse to fine.

The detector slides one 80 px window over a pyramid, so its cost is the number of pixels while a large face needs few
of them. The picture is therefore tried small first, and more expensively only where nothing was found: larger, tilted,
larger still. Borders are padded (repeated pixels) because the window must fit around a face that fills a tight crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.faces.detectors import DETECTORS, Detection, StagedDetector
from fer_au.faces.dlib_points import import_dlib
from fer_au.faces.geometry import apply_matrix, invert_matrix
from fer_au.faces.turning import turn_upright
from fer_au.pictures import open_picture

Gray = NDArray[np.uint8]


@dataclass(frozen=True)
class Pass:
    """One try at a picture.

    Attributes:
        why: Name of the pass in the results.
        longest: Pixels of the picture's longer side after scaling, before padding.
        pad: Width of the padding, as a fraction of ``longest``.
        threshold: Lowest score that is kept. Below 0, the detector's own boundary, a face counts only if no pass finds
            a better one.
        roll: Degrees by which sought faces are turned clockwise.
        only_above: Longer side up to which a picture skips the pass: enlarging further shows nothing new.
        last_resort: Whether only a picture is looked at in which no other pass found even a doubtful face, so that what
            they find is never lost; and at its own size if that is below ``longest``.
    """

    why: str
    longest: int
    pad: float
    threshold: float = 0.0
    roll: float = 0.0
    only_above: int = 0
    last_resort: bool = False

    def side(self, shape: tuple[int, ...]) -> int:
        """Tell the longer side, in pixels, that a picture of this shape is scaled to."""
        return min(self.longest, max(shape)) if self.last_resort else self.longest


# Ordered by faces found per millisecond. One core: 0.9, 1.4, 0.8, 0.8, 3.6, 16 and 60 ms, and 40 ms for each megapixel
# of the last; nine photographs of ten end in the first pass. Narrower first passes are quicker still, but take faces of
# portraits at the wrong scale. From ``fine`` on small faces are sought, which need no padding. Windows below -0.25 are
# mostly not faces.
PASSES = (
    Pass("tight", 120, 0.1),
    Pass("coarse", 160, 0.1, threshold=-0.25),
    Pass("tilt+", 120, 0.1, roll=30),
    Pass("tilt-", 120, 0.1, roll=-30),
    Pass("fine", 320, 0.0, threshold=-0.25, only_above=100),
    Pass("finer", 640, 0.0, only_above=400),
    Pass("large", 1280, 0.0, only_above=640),
    Pass("full", 5120, 0.0, only_above=1280, last_resort=True),
)


class _Rectangle(Protocol):
    def left(self) -> int: ...
    def top(self) -> int: ...
    def right(self) -> int: ...
    def bottom(self) -> int: ...


class _HogDetector(Protocol):
    def run(
        self, image: Gray, upsample_num_times: int, adjust_threshold: float
    ) -> tuple[list[_Rectangle], list[float], list[int]]: ...


@lru_cache(maxsize=1)
def _detector() -> _HogDetector:
    detector: _HogDetector = import_dlib().get_frontal_face_detector()
    return detector


@DETECTORS.register("dlib-hog")
class DlibHog(StagedDetector):
    """Finds frontal faces from about 50 px upwards (80 px in large pictures), yaw to 40 and roll to 45 degrees."""

    class Options(StagedDetector.Options):
        """Options of detector ``dlib-hog``.

        Attributes:
            exhaustive: Whether small faces beside large ones are found too: the scales of all untilted passes count,
                not the first that succeeds. For pictures of several people; a photograph then costs 20 ms or more, and
                40 ms for each megapixel above 1280 pixels.
        """

    name = "dlib-hog"
    version = 4  # dlib's compiled-in model has not changed since 2014
    options: Options

    def check(self) -> None:
        """Find the dlib package.

        Raises:
            MissingDependencyError: It is not installed.
        """
        import_dlib()

    def detect(self, image: NDArray[np.uint8], hint: ArrayLike | None = None) -> list[Detection]:
        """Find faces; the hint is not used."""
        image = open_picture("image", image)
        gray = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        passes = [one for one in PASSES if max(gray.shape) > one.only_above]
        if self.options.exhaustive:
            # The finest upright pass sees every face that a coarser one sees.
            finest = max((one for one in passes if not one.roll), key=lambda one: one.longest)
            passes = [finest, *(one for one in passes if one is not finest)]
        doubtful: list[Detection] = []
        scaled: dict[int, Gray] = {}
        for one in passes:
            if one.last_resort and doubtful:
                break
            found = _run(gray, one, scaled)
            if strong := [detection for detection in found if detection.score >= 0]:
                return strong
            doubtful += found
        return sorted(doubtful, key=lambda detection: -detection.score)[:1]


def _run(gray: Gray, one: Pass, scaled: dict[int, Gray]) -> list[Detection]:
    canvas, matrix = _canvas(gray, one, scaled)
    boxes, scores, _ = _detector().run(canvas, 0, one.threshold)
    back = invert_matrix(matrix)
    found = []
    for box, score in sorted(zip(boxes, scores, strict=True), key=lambda pair: -pair[1]):
        edges = np.array([box.left(), box.top(), box.right() + 1, box.bottom() + 1], np.float64)
        centre = apply_matrix(back, (edges[:2] + edges[2:]) / 2)
        half = (edges[2:] - edges[:2]) / 2 * float(np.hypot(back[0, 0], back[1, 0]))
        x0, y0, x1, y1 = np.concatenate([centre - half, centre + half]).tolist()
        why = one.why if score >= 0 else f"weak {one.why}"
        found.append(Detection((x0, y0, x1, y1), float(score), why, one.roll))
    return found


def _canvas(gray: Gray, one: Pass, scaled: dict[int, Gray]) -> tuple[Gray, NDArray[np.float64]]:
    """Scale, pad and turn a picture; return it with the matrix from the source to it.

    Args:
        gray: Picture (H, W).
        one: Pass.
        scaled: Longer side -> the picture scaled to it, of earlier passes: to scale a large one takes as long as to
            look at it.
    """
    height, width = gray.shape
    longest = one.side(gray.shape)
    if longest not in scaled:
        scaled[longest] = _scale(gray, longest / max(height, width))
    size = scaled[longest].shape[1], scaled[longest].shape[0]
    pad = round(one.pad * longest)
    small = cv2.copyMakeBorder(scaled[longest], pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    matrix = np.array([[size[0] / width, 0, pad], [0, size[1] / height, pad]], np.float64)
    if one.roll:
        return turn_upright(np.asarray(small, np.uint8), matrix, one.roll)
    return np.asarray(small, np.uint8), matrix


def _scale(gray: Gray, scale: float) -> Gray:
    size = max(round(gray.shape[1] * scale), 1), max(round(gray.shape[0] * scale), 1)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(gray, size, interpolation=method), np.uint8)

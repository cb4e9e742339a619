"""dlib's face detector by a small convolutional network (max-margin object detection, King 2015), coarse to fine.

Sure and slow: about a quarter of a second for a picture of 200 px on one core. It slides a window of about 65 px over
a pyramid, so like the HOG detector it is tried on a small picture first, and on larger ones only where nothing was
found. Its boxes follow another convention than the HOG detector's, which dlib's predictors expect; the shift and the
scale between them are means over rendered faces whose 68 points are known (``tools/fit_detector_boxes.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.assets import MMOD, Weights, find_weights
from fer_au.faces.detectors import DETECTORS, Detection, StagedDetector
from fer_au.faces.dlib_points import import_dlib
from fer_au.pictures import open_picture


@dataclass(frozen=True)
class Pass:
    """One try at a picture.

    Attributes:
        why: Name of the pass in the results.
        longest: Pixels of the picture's longer side after scaling, before padding.
        pad: Width of the padding by repeated pixels, as a fraction of ``longest``: the window must fit around a face
            that fills a tight crop.
        only_above: Longer side up to which a picture skips the pass: enlarging further shows nothing new.
    """

    why: str
    longest: int
    pad: float
    only_above: int = 0


PASSES = (
    Pass("coarse", 150, 0.1),
    Pass("fine", 360, 0.05, only_above=180),
    Pass("large", 900, 0.0, only_above=450),
)

_MIN_SIDE = 80
"""Narrower pictures are padded to this: dlib 20.0 writes outside its memory when a side is below some 12 px."""

# In units of the network's own box: how much larger the HOG detector's is, and how far away its centre.
BOX_SCALE = 0.968
BOX_SHIFT = (0.034, 0.077)


class _Rectangle(Protocol):
    def left(self) -> int: ...
    def top(self) -> int: ...
    def right(self) -> int: ...
    def bottom(self) -> int: ...


class _Found(Protocol):
    rect: _Rectangle
    confidence: float


class _Network(Protocol):
    def __call__(self, image: NDArray[np.uint8], upsample_num_times: int) -> list[_Found]: ...


class _Net(threading.local):
    """Network of one thread: it holds its activations, so threads must not share it."""

    loaded: _Network | None = None

    def get(self) -> _Network:
        if self.loaded is None:
            self.loaded = import_dlib().cnn_face_detection_model_v1(str(find_weights(MMOD)))
        return self.loaded


_NET = _Net()


@DETECTORS.register("dlib-mmod")
class DlibMmod(StagedDetector):
    """Finds faces from about 40 px upwards, to half profiles; the score is the network's margin, above 0."""

    class Options(StagedDetector.Options):
        """Options of detector ``dlib-mmod``.

        Attributes:
            exhaustive: Whether small faces beside large ones are found too: the finest pass then comes first.
        """

    name = "dlib-mmod"
    version = 1
    weights: ClassVar[Mapping[str, Weights]] = {"weights": MMOD}
    options: Options

    def constants(self) -> Mapping[str, object]:
        """Return how the network's box becomes a HOG-like one."""
        return {"box": [BOX_SCALE, *BOX_SHIFT]}

    def check(self) -> None:
        """Find the dlib package and the weights.

        Raises:
            MissingDependencyError: One of them is not installed.
        """
        import_dlib()
        super().check()

    def detect(self, image: NDArray[np.uint8], hint: ArrayLike | None = None) -> list[Detection]:
        """Find faces; the hint is not used.

        Raises:
            MissingDependencyError: dlib or the weights are not installed.
        """
        image = open_picture("image", image)
        passes = [one for one in PASSES if max(image.shape[:2]) > one.only_above]
        if self.options.exhaustive:
            passes.reverse()  # what a coarse pass sees, a finer one sees too, but for faces that fill the picture
        for one in passes:
            if found := network_boxes(image, one):
                return [_detection(box, score, one.why) for box, score in found]
        return []


def network_boxes(image: NDArray[np.uint8], one: Pass) -> list[tuple[NDArray[np.float64], float]]:
    """Find the network's own boxes and their margins, best first; ``DlibMmod.detect`` gives HOG-like ones."""
    height, width = image.shape[:2]
    scale = one.longest / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x, y = (max(round(one.pad * one.longest), (_MIN_SIDE - side + 1) // 2) for side in size)
    padded = np.asarray(cv2.copyMakeBorder(small, y, y, x, x, cv2.BORDER_REPLICATE), np.uint8)
    step = np.tile([width / size[0], height / size[1]], 2)
    found = []
    for seen in sorted(_NET.get()(padded, 0), key=lambda face: -face.confidence):
        rect = seen.rect
        edges = np.array([rect.left(), rect.top(), rect.right() + 1, rect.bottom() + 1], np.float64)
        found.append(((edges - (x, y, x, y)) * step, float(seen.confidence)))
    return found


def hog_like_box(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn the network's box around a face into the one that the HOG detector would draw, xyxy."""
    size = box[2:] - box[:2]
    centre = (box[:2] + box[2:]) / 2 + size * BOX_SHIFT
    return np.concatenate([centre - size * BOX_SCALE / 2, centre + size * BOX_SCALE / 2])


def _detection(box: NDArray[np.float64], score: float, why: str) -> Detection:
    x0, y0, x1, y1 = hog_like_box(box).tolist()
    return Detection((x0, y0, x1, y1), score, why)

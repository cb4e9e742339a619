"""Align a picture's face: detect faces, choose one, fit the similarity, warp the crop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.faces.detectors import Choice, Detection, Detector, choose_detection, create_detector
from fer_au.faces.geometry import Matrix, box_area, box_iou
from fer_au.faces.given_boxes import inset_box
from fer_au.faces.keypoints import Keypoints, align_matrix, check_keypoints
from fer_au.faces.templates import Template, get_template, keep_crop, picture_box
from fer_au.faces.warp import warp_crop
from fer_au.stores.schemas import FaceStatus

_MIN_IOU = 0.1
"""Lowest intersection over union with a data set's box: below, a face is another person's."""

_HINT_MARGIN = 0.5
"""Margin of the search around a data set's box, on each side, in widths and heights of the box."""


@dataclass(frozen=True)
class AlignedFace:
    """An aligned crop and its origin.

    Attributes:
        crop: Crop (size, size, 3) uint8 RGB.
        context: Crop (context, context, 3) uint8 RGB of the whole picture; None unless the aligner makes one.
        matrix: Matrix (2, 3) source xy -> crop xy.
        box: Box of the face in the source, xyxy pixels.
        score: Confidence of the detector, NaN where it has none.
        detector: Name of the detector that found the face; ``none`` if no face was found.
        status: OK, or WHOLE_IMAGE if no face was found.
        why: Pass or rule of the detector that found the face.
    """

    crop: NDArray[np.uint8]
    context: NDArray[np.uint8] | None
    matrix: Matrix
    box: tuple[float, float, float, float]
    score: float
    detector: str
    status: FaceStatus
    why: str


@dataclass(frozen=True)
class Aligner:
    """Aligns the face of a picture; picklable, the same result in every process.

    Attributes:
        detector: Name of the detector.
        keypoints: Points or box that the similarity is fitted to.
        template: Name of the template.
        size: Side of the crop, pixels.
        context: Side of the context crop, pixels; 0 for none.
        choose: Rule that picks one of several faces.
        target: Template of that name.
    """

    detector: str = "dlib-hog"
    keypoints: Keypoints = "dlib68"
    template: str = "loose"
    size: int = 256
    context: int = 0
    choose: Choice = "largest"
    _finder: Detector = field(init=False, repr=False, compare=False)
    target: Template = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", get_template(self.template))
        finder = create_detector(self.detector)
        # A coarse pass finds the largest face first; the most central face may be small.
        object.__setattr__(self, "_finder", finder.exhaustive() if self.choose == "central" else finder)

    @property
    def detector_fingerprint(self) -> str:
        """Fingerprint of the detector, see ``Detector.fingerprint``."""
        return self._finder.fingerprint

    @property
    def detector_module(self) -> str:
        """Name of the module that defines the detector."""
        return type(self._finder).__module__

    def check(self) -> None:
        """Find the packages and weights that aligning needs, so that a missing package is reported before the work.

        Raises:
            MissingDependencyError: dlib or weights are not installed.
        """
        self._finder.check()
        if self.target.aligned:
            check_keypoints(self.keypoints)

    def __call__(self, image: NDArray[np.uint8], hint: ArrayLike | None = None, *, shared: bool = False) -> AlignedFace:
        """Align a picture's face; where none is found, take the data set's box or the whole picture.

        Args:
            image: Picture (H, W, 3) uint8 RGB.
            hint: Box of this face in the data set, xyxy pixels.
            shared: Whether other rows show other faces of the same picture, so that the face must overlap the hint.
        """
        found = self.find(image, hint, shared=shared)
        if found is not None:
            return self._cut(image, found, hint, FaceStatus.OK)
        height, width = image.shape[:2]
        x0, y0, x1, y1 = inset_box(width, height) if hint is None else np.asarray(hint, np.float64).tolist()
        return self._cut(image, Detection((x0, y0, x1, y1), math.nan, "no face"), hint, FaceStatus.WHOLE_IMAGE)

    def all(self, image: NDArray[np.uint8]) -> list[AlignedFace]:
        """Align every face of a picture, small ones beside large ones too.

        Args:
            image: Picture (H, W, 3) uint8 RGB.

        Returns:
            Faces, largest first; empty if there is none. Under template ``none`` each crop is the square around the
            face's own box, not the whole picture.
        """
        found = self._finder.exhaustive().detect(image)
        ordered = sorted(
            found, key=lambda one: -box_area(one.box)
        )  # stable: equal boxes stay as the detector gave them
        return [self._cut(image, one, one.box, FaceStatus.OK) for one in ordered]

    def _cut(self, image: NDArray[np.uint8], face: Detection, own: ArrayLike | None, status: FaceStatus) -> AlignedFace:
        """Cut the crop of a face; where it isn't aligned, the crop of box ``own`` (default: the whole picture)."""
        whole = picture_box(image.shape[1], image.shape[0])
        if status == FaceStatus.OK and self.target.aligned:
            matrix = align_matrix(image, face, self.keypoints, self.target, self.size)
        else:
            matrix = keep_crop(whole if own is None else np.asarray(own, np.float64), self.size)
        context = warp_crop(image, keep_crop(whole, self.context), self.context) if self.context else None
        crop = warp_crop(image, matrix, self.size)
        name = self.detector if status == FaceStatus.OK else "none"
        return AlignedFace(crop, context, matrix, face.box, face.score, name, status, face.why)

    def find(
        self, image: NDArray[np.uint8], hint: ArrayLike | None = None, *, shared: bool = False
    ) -> Detection | None:
        """Find the face that ``choose`` picks; None if there is no face.

        With a hint and ``best-iou`` only the hint's surroundings are searched: cheaper, and small faces are found too.
        Arguments as in ``__call__``.
        """
        height, width = image.shape[:2]
        if hint is None or not (shared or self.choose == "best-iou"):
            detections = self._finder.detect(image, hint)
            return choose_detection(detections, self.choose, width, height, hint) if detections else None
        box = np.asarray(hint, np.float64)
        margin = _HINT_MARGIN * (box[2:] - box[:2])
        x0, y0 = np.clip(np.floor(box[:2] - margin), 0, (width - 1, height - 1)).astype(int).tolist()
        x1, y1 = np.clip(np.ceil(box[2:] + margin), (x0 + 1, y0 + 1), (width, height)).astype(int).tolist()
        part = np.ascontiguousarray(image[y0:y1, x0:x1])
        detections = [_shifted(one, x0, y0) for one in self._finder.detect(part, box - (x0, y0, x0, y0))]
        best = choose_detection(detections, "best-iou", width, height, hint) if detections else None
        return best if best is not None and box_iou(best.box, box) >= _MIN_IOU else None


def _shifted(detection: Detection, x: float, y: float) -> Detection:
    x0, y0, x1, y1 = detection.box
    five = None if detection.five is None else tuple((px + x, py + y) for px, py in detection.five)
    box = (x0 + x, y0 + y, x1 + x, y1 + y)
    return Detection(box, detection.score, detection.why, detection.roll, five)

"""Align a picture's face: detect faces, choose one, fit the similarity, warp the crop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.arguments import check_type, choose, read_names, read_whole
from fer_au.array_arguments import read_box
from fer_au.config.data import DEFAULT_DETECTOR
from fer_au.faces.detectors import Choice, Detection, Detector, choose_detection, create_detector, find_faces
from fer_au.faces.geometry import Matrix, box_area, box_iou, invert_matrix, map_box
from fer_au.faces.given_boxes import inset_box
from fer_au.faces.keypoints import Keypoints, align_matrix, check_keypoints
from fer_au.faces.placing import Place
from fer_au.faces.templates import Template, get_template, keep_crop, picture_box, shrink_inside
from fer_au.faces.warp import warp_crop
from fer_au.pictures import open_picture
from fer_au.stores.schemas import FaceStatus

_MIN_IOU = 0.1
"""Lowest intersection over union with a data set's box: below, a face is another person's."""

_SAME_FACE = 0.3
"""Least intersection over union of two boxes of one face: a coarse pass draws a small face a third too large (.56)."""

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
        status: OK; if no face was found, PLACED or WHOLE_IMAGE.
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
        detector: Name of the detector, or names: the next one looks where those before it found no face.
        keypoints: Points or box that the similarity is fitted to.
        template: Name of the template.
        size: Side of the crop, pixels.
        context: Side of the context crop, pixels; 0 for none.
        choose: Rule that picks one of several faces.
        place: Place in a picture where no face is found; None: the whole picture.
        target: Template of that name.

    Raises:
        ArgumentError: A size is no whole number, or a word is none of those that it may be.
        UnknownNameError: There is no such detector or template.
    """

    detector: str | tuple[str, ...] = DEFAULT_DETECTOR
    keypoints: Keypoints = "dlib68"
    template: str = "loose"
    size: int = 256
    context: int = 0
    choose: Choice = "largest"
    place: Place | None = None
    _finders: tuple[Detector, ...] = field(init=False, repr=False, compare=False)
    target: Template = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        choose("keypoints", self.keypoints, get_args(Keypoints))
        choose("choose", self.choose, get_args(Choice))
        check_type("place", self.place, (Place, type(None)), "a fer_au.faces.placing.Place or None")
        object.__setattr__(self, "size", read_whole("size", self.size))
        object.__setattr__(self, "context", read_whole("context", self.context, least=0))
        object.__setattr__(self, "target", get_template(self.template))
        names = read_names("detector", self.detector)
        object.__setattr__(self, "detector", names[0] if len(names) == 1 else names)
        finders = [create_detector(name) for name in names]
        # A coarse pass finds the largest face first; the most central face may be small.
        every = self.choose == "central"
        object.__setattr__(self, "_finders", tuple(one.exhaustive() if every else one for one in finders))

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors, in the order in which they look."""
        return tuple(one.name for one in self._finders)

    @property
    def detector_fingerprint(self) -> str | list[str]:
        """Fingerprint of the detector, see ``Detector.fingerprint``; of several, theirs."""
        marks = [one.fingerprint for one in self._finders]
        return marks[0] if len(marks) == 1 else marks

    @property
    def detector_modules(self) -> tuple[str, ...]:
        """Names of the modules that define the detectors."""
        return tuple(type(one).__module__ for one in self._finders)

    def check(self) -> None:
        """Find the packages and weights that aligning needs, so that a missing package is reported before the work.

        Raises:
            MissingDependencyError: dlib or weights are not installed.
        """
        for finder in self._finders:
            finder.check()
        if self.target.aligned:
            check_keypoints(self.keypoints)

    def __call__(self, image: NDArray[np.uint8], hint: ArrayLike | None = None, *, shared: bool = False) -> AlignedFace:
        """Align a picture's face; where none is found, take ``place``, or else the data set's box or the whole picture.

        Args:
            image: Picture (H, W, 3) uint8 RGB, a Pillow image, or the path of a file.
            hint: Box of this face in the data set, xyxy pixels.
            shared: Whether other rows show other faces of the same picture, so that the face must overlap the hint.
        """
        image = open_picture("image", image)
        hint = None if hint is None else read_box("hint", hint)
        found = self.find(image, hint, shared=shared)
        if found is not None:
            return self._cut(image, found, hint, FaceStatus.OK)
        if self.place is not None:
            return self.placed(image, self.place, hint)
        height, width = image.shape[:2]
        x0, y0, x1, y1 = inset_box(width, height) if hint is None else np.asarray(hint, np.float64).tolist()
        return self._cut(image, Detection((x0, y0, x1, y1), math.nan, "no face"), hint, FaceStatus.WHOLE_IMAGE)

    def placed(self, image: NDArray[np.uint8], place: Place, hint: ArrayLike | None = None) -> AlignedFace:
        """Cut a crop where a set's faces usually lie, without looking for one.

        Args:
            image: Picture (H, W, 3) uint8 RGB, a Pillow image, or the path of a file.
            place: Place relative to the data set's box of this face, or else to the picture.
            hint: That box, xyxy pixels.
        """
        image = open_picture("image", image)
        frame = picture_box(image.shape[1], image.shape[0]) if hint is None else read_box("hint", hint)
        matrix = place.matrix(frame, self.size)
        x0, y0, x1, y1 = map_box(invert_matrix(matrix), self.target.face_box(self.size)).tolist()
        face = Detection((x0, y0, x1, y1), math.nan, "usual place")
        if self.target.inside:
            matrix = shrink_inside(matrix, self.size, image.shape[1], image.shape[0])
        return self._crops(image, face, matrix, FaceStatus.PLACED)

    def all(self, image: NDArray[np.uint8]) -> list[AlignedFace]:
        """Align every face of a picture, small ones beside large ones too.

        A face that training would find alone, where a detector stops at the first faces, is aligned from the same box
        as in training; the exhaustive search, which may draw other boxes around it, adds the others.

        Args:
            image: Picture (H, W, 3) uint8 RGB.

        Returns:
            Faces, largest first; empty if there is none. Under template ``none`` the crop of a single face is the whole
            picture, and that of one of several the square around its own box.
        """
        image = open_picture("image", image)
        found = next((seen for finder in self._finders if (seen := _every_face(finder, image))), [])
        # Stable: equal boxes stay as the detector gave them.
        ordered = sorted(found, key=lambda one: -box_area(one.box))
        return [self._cut(image, one, one.box if len(ordered) > 1 else None, FaceStatus.OK) for one in ordered]

    def _cut(self, image: NDArray[np.uint8], face: Detection, own: ArrayLike | None, status: FaceStatus) -> AlignedFace:
        """Cut the crop of a face; where it isn't aligned, the crop of box ``own`` (default: the whole picture)."""
        whole = picture_box(image.shape[1], image.shape[0])
        if status == FaceStatus.OK and self.target.aligned:
            matrix = align_matrix(image, face, self.keypoints, self.target, self.size)
            if self.target.inside:
                matrix = shrink_inside(matrix, self.size, image.shape[1], image.shape[0])
        else:
            matrix = keep_crop(whole if own is None else np.asarray(own, np.float64), self.size)
        return self._crops(image, face, matrix, status)

    def _crops(self, image: NDArray[np.uint8], face: Detection, matrix: Matrix, status: FaceStatus) -> AlignedFace:
        whole = picture_box(image.shape[1], image.shape[0])
        context = warp_crop(image, keep_crop(whole, self.context), self.context) if self.context else None
        crop = warp_crop(image, matrix, self.size)
        name = face.detector or "none"
        return AlignedFace(crop, context, matrix, face.box, face.score, name, status, face.why)

    def find(
        self, image: NDArray[np.uint8], hint: ArrayLike | None = None, *, shared: bool = False
    ) -> Detection | None:
        """Find the face that ``choose`` picks, by the first detector that finds one; None if there is no face.

        With a hint and ``best-iou`` only the hint's surroundings are searched: cheaper, and small faces are found too.
        Arguments as in ``__call__``.
        """
        image = open_picture("image", image)
        hint = None if hint is None else read_box("hint", hint)
        looks = (self._by(finder, image, hint, shared=shared) for finder in self._finders)
        return next((found for found in looks if found is not None), None)

    def _by(
        self, finder: Detector, image: NDArray[np.uint8], hint: ArrayLike | None, *, shared: bool
    ) -> Detection | None:
        """Find the face by one detector; arguments and result as of ``find``."""
        height, width = image.shape[:2]
        if hint is None or not (shared or self.choose == "best-iou"):
            detections = find_faces(finder, image, hint)
            return choose_detection(detections, self.choose, width, height, hint) if detections else None
        box = np.asarray(hint, np.float64)
        margin = _HINT_MARGIN * (box[2:] - box[:2])
        x0, y0 = np.clip(np.floor(box[:2] - margin), 0, (width - 1, height - 1)).astype(int).tolist()
        x1, y1 = np.clip(np.ceil(box[2:] + margin), (x0 + 1, y0 + 1), (width, height)).astype(int).tolist()
        part = np.ascontiguousarray(image[y0:y1, x0:x1])
        detections = [_shifted(one, x0, y0) for one in find_faces(finder, part, box - (x0, y0, x0, y0))]
        best = choose_detection(detections, "best-iou", width, height, hint) if detections else None
        return best if best is not None and box_iou(best.box, box) >= _MIN_IOU else None


def _every_face(finder: Detector, image: NDArray[np.uint8]) -> list[Detection]:
    """Find the faces that a detector finds at once, and those that its exhaustive search adds."""
    found, every = find_faces(finder, image), finder.exhaustive()
    if every != finder:
        others = find_faces(every, image)
        found += [one for one in others if all(box_iou(one.box, own.box) < _SAME_FACE for own in found)]
    return found


def _shifted(detection: Detection, x: float, y: float) -> Detection:
    x0, y0, x1, y1 = detection.box
    five = None if detection.five is None else tuple((px + x, py + y) for px, py in detection.five)
    box = (x0 + x, y0 + y, x1 + x, y1 + y)
    return replace(detection, box=box, five=five)

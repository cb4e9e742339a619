"""Which detector, template and size fit the pictures of a data set, measured on a sample of them.

A detector is judged by how many faces it finds, a template by how much of its crops lies outside the pictures, a size
by the pixels that the pictures hold of a crop. Pictures in which the faces lie alike were aligned before, and are kept.
What a classifier learns best from is not measured: ``benchmarks/frames.py`` trains one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.compute import Progress
from fer_au.config.data import AlignConfig
from fer_au.decoding import decode_image
from fer_au.errors import MissingDependencyError
from fer_au.faces.alignment import Aligner
from fer_au.faces.detectors import Detection, create_detector
from fer_au.faces.geometry import Matrix, apply_matrix, invert_matrix, matrix_scale
from fer_au.faces.keypoints import Keypoints, align_matrix, check_keypoints
from fer_au.faces.outside import MUCH_OUTSIDE, outside_shares
from fer_au.faces.templates import TEMPLATES, keep_crop, picture_box, shrink_inside
from fer_au.gate import PICTURES, read_bytes

SAMPLE = 200
"""Pictures that are looked at, evenly spread over the sorted data set."""

DETECTORS_ASKED = ("yunet", "dlib-hog", "mediapipe-face")
"""Detectors that are quick enough to be tried one after the other; the first of equals is recommended."""

_FEW_FOUND = 0.5  # share of faces found, below which points are no ground for a frame
_EQUAL = 0.01  # share of faces found, within which detectors count as equal
# Of pictures that were aligned by other points than ours, faces lie .05 inter-ocular distances and 1.9 degrees from
# their common place (medians, points of yunet); of pictures that nobody aligned, .09 and 3.7 or more.
_ALIGNED_SHIFT, _ALIGNED_TILT = 0.07, 2.75
_FEWEST_ALIGNED = 8
_SIDE = 64  # pixels of a crop, for geometry alone
_STEP = 16
_SMALLEST, _LARGEST = 48, 256  # recommended sizes, pixels


@dataclass(frozen=True)
class FrameSurvey:
    """What was measured.

    Attributes:
        pictures: Number of pictures.
        sides: Shorter side of each picture, pixels (N,).
        found: Detector -> number of pictures in which it finds a face.
        missing: Detectors that are not installed.
        detector: Detector whose faces the rest was measured on.
        keypoints: Points that the frames were fitted to.
        shift: Median distance of the faces from their common place in the pictures, in inter-ocular distances.
        tilt: Median difference of the faces' roll from their common one, degrees.
        face: Median width of a face's box, in shorter sides of its picture; NaN without a face.
        outside: Template -> median share of a crop outside its picture.
        pixels: Template -> median side of a crop in pixels of its picture.
    """

    pictures: int
    sides: NDArray[np.float64]
    found: Mapping[str, int]
    missing: tuple[str, ...]
    detector: str
    keypoints: Keypoints
    shift: float
    tilt: float
    face: float
    outside: Mapping[str, float]
    pixels: Mapping[str, float]

    @property
    def aligned(self) -> bool:
        """Whether the faces lie alike in the pictures; a few may do so by chance."""
        return (
            self.found.get(self.detector, 0) >= _FEWEST_ALIGNED
            and self.shift < _ALIGNED_SHIFT
            and self.tilt < _ALIGNED_TILT
        )

    def settings(self) -> dict[str, object]:
        """Recommend keys of ``align``."""
        if self.found.get(self.detector, 0) < _FEW_FOUND * self.pictures:
            return {"detector": "whole-image", "template": "none", "size": _size(self.pixels["none"])}
        if self.aligned:
            return {"detector": self.detector, "template": "none", "size": _size(self.pixels["none"])}
        template = "loose" if self.outside["loose"] <= MUCH_OUTSIDE else "tight"
        found = {"detector": self.detector, "keypoints": self.keypoints, "template": template}
        return {**found, "size": _size(self.pixels[template])}


def survey_frames(paths: Sequence[Path]) -> FrameSurvey:
    """Measure which settings of ``align`` fit some pictures.

    Args:
        paths: Picture files that can be read; at least one.
    """
    aligners, missing = _installed()
    faces: dict[str, list[Detection | None]] = {name: [] for name in aligners}
    sizes = []
    with Progress("looking for faces", len(paths)) as progress:
        for path in paths:  # one at a time: two hundred photographs may be more than fits into memory
            image = _read(path)
            sizes.append((image.shape[1], image.shape[0]))
            for name, aligner in aligners.items():
                faces[name].append(aligner.find(image))
            progress.advance(1)
    found = {name: sum(face is not None for face in row) for name, row in faces.items()}
    best = _best(found, len(paths))
    pairs = [(path, face) for path, face in zip(paths, faces.get(best, []), strict=False) if face is not None]
    keypoints = _keypoints([face for _, face in pairs])
    places = [_matrices(_read(path), face, keypoints) for path, face in pairs]
    there = [size for size, face in zip(sizes, faces.get(best, []), strict=False) if face is not None]
    if not places:
        places, there = [{"none": keep_crop(picture_box(*size), _SIDE)} for size in sizes], sizes
    known = {name: np.stack([place[name] for place in places]) for name in TEMPLATES if name in places[0]}
    shares = {name: outside_shares(rows, np.array(there, np.float64), _SIDE) for name, rows in known.items()}
    shift, tilt = _spread(known["loose"], np.array(there, np.float64)) if pairs else (math.nan, math.nan)
    widths = [(face.box[2] - face.box[0]) / min(size) for (_, face), size in zip(pairs, there, strict=False)]
    return FrameSurvey(
        len(paths),
        np.array([min(size) for size in sizes], np.float64),
        found,
        missing,
        best,
        keypoints,
        shift,
        tilt,
        float(np.median(widths)) if widths else math.nan,
        {name: float(np.median(share)) for name, share in shares.items()},
        {name: float(np.median([_SIDE / matrix_scale(row) for row in rows])) for name, rows in known.items()},
    )


def _read(path: Path) -> NDArray[np.uint8]:
    return decode_image(read_bytes(path, PICTURES))


def _installed() -> tuple[dict[str, Aligner], tuple[str, ...]]:
    """Make an aligner for each detector that is installed; list the others."""
    aligners, missing = {}, []
    for name in DETECTORS_ASKED:
        try:
            create_detector(name).check()
        except MissingDependencyError:
            missing.append(name)
        else:
            aligners[name] = Aligner(detector=name)
    return aligners, tuple(missing)


def _best(found: Mapping[str, int], pictures: int) -> str:
    """Choose the detector that finds the most faces; within a hundredth of the pictures, the first."""
    most = max(found.values(), default=0)
    return next((name for name, count in found.items() if count >= most - _EQUAL * pictures), "whole-image")


def _keypoints(faces: Sequence[Detection]) -> Keypoints:
    """Take the detector's own points where it gives any, else those of dlib if it is installed."""
    if faces and all(face.five is not None for face in faces):
        return "detector"
    usual: Keypoints = AlignConfig().keypoints
    try:
        check_keypoints(usual)
    except MissingDependencyError:
        return "detector"
    return usual


def _matrices(image: NDArray[np.uint8], face: Detection, keypoints: Keypoints) -> dict[str, Matrix]:
    """Give the place of the crop of each template."""
    height, width = image.shape[:2]
    matrices = {}
    for name, template in TEMPLATES.items():
        if not template.aligned:
            matrices[name] = keep_crop(picture_box(width, height), _SIDE)
            continue
        matrix = align_matrix(image, face, keypoints, template, _SIDE)
        matrices[name] = shrink_inside(matrix, _SIDE, width, height) if template.inside else matrix
    return matrices


def _spread(matrices: Matrix, sizes: NDArray[np.float64]) -> tuple[float, float]:
    """Measure how far the faces lie from their common place in the pictures.

    Args:
        matrices: Of template ``loose``, picture to crop (N, 2, 3): where a face lies, what its features do left out.
        sizes: Widths and heights of the pictures (N, 2).

    Returns:
        Shift in inter-ocular distances, and tilt in degrees, as in ``FrameSurvey``.
    """
    inverse = np.stack([invert_matrix(matrix) for matrix in matrices])
    eyes_and_nose = TEMPLATES["loose"].five(_SIDE)[:3]
    places = np.stack([apply_matrix(matrix, eyes_and_nose) for matrix in inverse])
    places = (places - sizes[:, None] / 2) / sizes.min(1)[:, None, None]
    common = np.median(places, axis=0)
    distances = np.linalg.norm(places - common, axis=2).mean(1) / np.linalg.norm(common[1] - common[0])
    roll = np.degrees(np.arctan2(inverse[:, 1, 0], inverse[:, 0, 0]))
    return float(np.median(distances)), float(np.median(np.abs(roll - np.median(roll))))


def _size(pixels: float) -> int:
    """Round the side of a crop in pixels of the picture up to a usual size: more would only interpolate."""
    return int(np.clip(np.ceil(pixels / _STEP) * _STEP, _SMALLEST, _LARGEST))

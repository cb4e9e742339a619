"""Faces of pictures, found and cut out in worker processes; what comes back is as small as ``faces.h5`` keeps it."""

from __future__ import annotations

import errno
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.datasets.inspection import MIN_SIDE
from fer_au.decoding import ImageRejected, decode_image
from fer_au.errors import DataError, FerAuError, MissingDependencyError
from fer_au.faces.alignment import AlignedFace, Aligner
from fer_au.faces.crops import encode_crop
from fer_au.faces.dlib_points import load_predictor
from fer_au.faces.keypoints import WEIGHTS
from fer_au.gate import PICTURES, read_bytes
from fer_au.rejects import Reason
from fer_au.stores.schemas import FaceStatus
from fer_au.use.inputs import Source

_NO_FACE = "no face was found"
_WHOLE = "no face was found; the whole picture was taken"
_PLACED = "no face was found; the usual place of the training's faces was taken"


@dataclass(frozen=True)
class FoundFace:
    """A face of a picture, cut out.

    Attributes:
        crop: Crop as JPEG, see ``encode_crop``; a given one as PNG, which changes no pixel.
        context: Crop of the whole picture as JPEG; empty if none is needed.
        matrix: (2, 3) from the picture's xy to the crop's.
        box: Box in the picture, xyxy pixels.
        detector: Name of the detector, or ``none``.
        score: Its confidence, NaN where it has none.
        found: Whether a face was found, or the crop was given.
    """

    crop: bytes
    context: bytes
    matrix: NDArray[np.float64]
    box: tuple[float, float, float, float]
    detector: str
    score: float
    found: bool


@dataclass(frozen=True)
class FacesOf:
    """What was found in one picture.

    Attributes:
        path: Path of the picture.
        faces: Its faces.
        reason: Reason why it has none, or why its only crop shows none for sure; empty if a face was found.
        detail: Explanation for people.
    """

    path: str
    faces: tuple[FoundFace, ...] = ()
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class FaceFinder:
    """Finds the faces of some pictures; picklable, the same result in every process. It needs no torch.

    Attributes:
        aligner: Aligner of the model's training; None if the pictures are crops already.
        every: Whether all faces of a picture are wanted, or the one that the training would take.
    """

    aligner: Aligner | None
    every: bool = False

    def load(self) -> None:
        """Load the predictor that the crops need, which worker processes can share (see ``compute.open_workers``)."""
        if self.aligner is not None and self.aligner.target.aligned and self.aligner.keypoints in WEIGHTS:
            load_predictor(WEIGHTS[self.aligner.keypoints])

    def __call__(self, sources: Sequence[Source]) -> list[FacesOf]:
        """Find the faces of some pictures; one that can't be used has a reason, and no error is raised for it.

        Raises:
            MissingDependencyError: The detector or its weights are not installed.
            DataError: Something else failed, as a detector of another package; the message names the picture.
        """
        return [self._named(source) for source in sources]

    def _named(self, source: Source) -> FacesOf:
        try:
            return self._of(source)
        except MissingDependencyError:
            raise
        except Exception as error:  # OpenCV's, a detector's, memory's: without the name, one picture of 100,000
            kind = "" if isinstance(error, FerAuError) else f"{type(error).__name__}: "
            reason = str(error).strip().partition("\n")[0]
            raise DataError(f"{source.path}: {kind}{reason}; move it away, and run again to go on") from error

    def _of(self, source: Source) -> FacesOf:
        if source.reason:
            return FacesOf(source.path, (), source.reason, source.detail)
        try:
            image = decode_image(read_bytes(source.path, PICTURES))
        except OSError as error:
            known = {errno.ENOENT: Reason.MISSING_FILE, errno.EFBIG: Reason.TOO_LARGE}
            reason = known.get(error.errno or 0, Reason.UNREADABLE)
            return FacesOf(source.path, (), reason.value, error.strerror or str(error))
        except ImageRejected as rejected:
            return FacesOf(source.path, (), rejected.reason.value, rejected.detail)
        height, width = image.shape[:2]
        if min(width, height) < MIN_SIDE:
            detail = f"{width}x{height}: a side below {MIN_SIDE} pixels"
            return FacesOf(source.path, (), Reason.TOO_SMALL.value, detail)
        if self.aligner is None:
            return _as_given(source.path, image)
        found = self.aligner.all(image) if self.every else [self.aligner(image)]
        if not found:
            return FacesOf(source.path, (), Reason.NO_FACE.value, _NO_FACE)
        faces = tuple(pack_face(face) for face in found)
        if found[0].status == FaceStatus.OK:
            return FacesOf(source.path, faces)
        detail = _PLACED if found[0].status == FaceStatus.PLACED else _WHOLE
        return FacesOf(source.path, faces, Reason.NO_FACE.value, detail)


def pack_face(face: AlignedFace) -> FoundFace:
    """Make a face as small as ``faces.h5`` keeps it."""
    context = b"" if face.context is None else encode_crop(face.context)
    found = face.status == FaceStatus.OK
    return FoundFace(encode_crop(face.crop), context, face.matrix, face.box, face.detector, face.score, found)


def _as_given(path: str, image: NDArray[np.uint8]) -> FacesOf:
    height, width = image.shape[:2]
    if height != width:
        detail = f"{width}x{height}: no square crop; leave out --aligned, so that the face is cut out"
        return FacesOf(path, (), Reason.UNREADABLE.value, detail)
    box = (0.0, 0.0, float(width), float(height))
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_PNG_COMPRESSION, 1))
    return FacesOf(path, (FoundFace(bytes(data), b"", np.eye(2, 3), box, "none", math.nan, True),))

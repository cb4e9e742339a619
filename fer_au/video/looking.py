"""Faces of frames, found and cut out in worker processes as those of pictures are; it needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_au.faces.alignment import AlignedFace, Aligner
from fer_au.faces.geometry import apply_matrix, invert_matrix, map_box
from fer_au.landmarks.extractors import Extractor, extract_points
from fer_au.stores.schemas import FaceStatus
from fer_au.use.finding import FaceFinder, FoundFace, pack_face

Points = NDArray[np.float64]


@dataclass(frozen=True)
class LookedFace:
    """A face of a frame.

    Attributes:
        found: The face, cut out.
        anchors: (K, 2) xy of the frame: the five points that aligned it, or else the corners of its box; by them and
            the box, a face is known again in the next frame.
        points: Its 68 points, (68, 2) xy of the frame; None where none are wanted, or found.
    """

    found: FoundFace
    anchors: Points
    points: Points | None


@dataclass(frozen=True)
class FrameLooker:
    """Finds the faces of a frame; picklable, the same result in every process.

    Attributes:
        aligner: Aligner of the model's training.
        every: Whether all faces are wanted, or the one that the training would take.
        extractor: Extractor of the 68 points; None if they are not wanted.
    """

    aligner: Aligner
    every: bool = True
    extractor: Extractor | None = None

    def load(self) -> None:
        """Load what worker processes can share (see ``compute.open_workers``)."""
        FaceFinder(self.aligner).load()
        if self.extractor is not None:
            self.extractor.load()

    def __call__(self, image: NDArray[np.uint8] | None) -> list[LookedFace]:
        """Find the faces of a frame, the largest first, and leave out what is no face.

        Args:
            image: (H, W, 3) uint8 RGB; None for a frame that is not looked at, which has none.
        """
        if image is None:
            return []
        faces = self.aligner.all(image) if self.every else [self.aligner(image)]
        return [self._looked(face) for face in faces if face.status == FaceStatus.OK]

    def _looked(self, face: AlignedFace) -> LookedFace:
        target, back = self.aligner.target, invert_matrix(face.matrix)
        if target.aligned:
            anchors = apply_matrix(back, target.five(self.aligner.size))
        else:
            x0, y0, x1, y1 = face.box
            anchors = np.array([(x0, y0), (x1, y0), (x0, y1), (x1, y1)])
        return LookedFace(pack_face(face), anchors, self._points(face, back))

    def _points(self, face: AlignedFace, back: NDArray[np.float64]) -> Points | None:
        if self.extractor is None:
            return None
        target = self.aligner.target
        box = target.face_box(self.aligner.size) if target.fixed else map_box(face.matrix, face.box)
        points = extract_points(self.extractor, face.crop[None], np.asarray(box, np.float64)[None])[0][0]
        return apply_matrix(back, points) if np.isfinite(points).all() else None

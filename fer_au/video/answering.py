"""What a model says of the faces of frames: scores, smoothed along each face's track, and a map where one is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_au.cam import CamRun
from fer_au.cam.registry import resolve_cams
from fer_au.predictor import Predictor, SeenFace
from fer_au.use.finding import FoundFace
from fer_au.use.predict import seen_faces
from fer_au.video.footage import Frame
from fer_au.video.looking import LookedFace, Points
from fer_au.video.smoothing import Smoother, Smoothing
from fer_au.video.tracking import Tracker

NO_MAP, ATTENTION = "none", "attention"


@dataclass(frozen=True)
class ShownFace:
    """A face of a frame, with all that is known of it.

    Attributes:
        track: Its number in the video, from 1.
        found: The face, cut out.
        points: Its 68 points, (68, 2) xy of the frame; None where there are none.
        scores: (C,) probabilities, as the model gives them.
        smooth: (C,) the same, smoothed.
        heat: (h, w) map on a grid that spans the crop; None where none is wanted.
    """

    track: int
    found: FoundFace
    points: Points | None
    scores: NDArray[np.float32]
    smooth: NDArray[np.float64]
    heat: NDArray[np.float32] | None


@dataclass(frozen=True)
class Moment:
    """A frame and what is shown on it.

    Attributes:
        frame: The frame.
        measured: Whether it was looked at; otherwise the faces are those of the last frame that was.
        faces: Its faces, the largest first.
    """

    frame: Frame
    measured: bool
    faces: tuple[ShownFace, ...]


class Answerer:
    """Turns looked-at frames into moments, in their order.

    Args:
        predictor: Model.
        overlay: ``none``, ``attention`` (of the last layer) or the name of a CAM, alone or with a layer.
        smoothing: How probabilities are smoothed.

    Raises:
        UnknownNameError: There is no such CAM.
        ConfigError: The model can't have it.
    """

    def __init__(self, predictor: Predictor, overlay: str, smoothing: Smoothing) -> None:
        if overlay not in (NO_MAP, ATTENTION):
            resolve_cams([overlay], predictor.model)
        self._predictor, self._overlay = predictor, overlay
        self._tracker, self._smoother = Tracker(), Smoother(smoothing)
        self._last: tuple[ShownFace, ...] = ()

    def answer(self, looked: Sequence[tuple[Frame, bool, Sequence[LookedFace]]]) -> Iterator[Moment]:
        """Answer for some frames: the faces of all of them go through the network together.

        Args:
            looked: Frames, whether each was looked at, and its faces.
        """
        found = [[face.found for face in own] for _, _, own in looked]
        faces = [face for index, own in enumerate(found) for face in seen_faces(own, index)]
        prediction = self._predictor.answer(faces, [""] * len(looked))
        heats = self._heats(faces, prediction.scores, prediction.maps)
        row = 0
        for frame, measured, own in looked:
            if measured:
                rows = slice(row, row + len(own))
                self._last = tuple(self._shown(frame, own, prediction.scores[rows], heats[rows]))
                row += len(own)
            yield Moment(frame, measured, self._last)

    def _shown(
        self,
        frame: Frame,
        faces: Sequence[LookedFace],
        scores: NDArray[np.float32],
        heats: Sequence[NDArray[np.float32] | None],
    ) -> Iterator[ShownFace]:
        places = [(np.asarray(face.found.box, np.float64), face.anchors) for face in faces]
        tracks = self._tracker.update(frame.time, places)
        for face, track, own, heat in zip(faces, tracks, scores, heats, strict=True):
            yield ShownFace(track, face.found, face.points, own, self._smoother.add(track, own), heat)

    def _heats(
        self, faces: Sequence[SeenFace], scores: NDArray[np.float32], maps: NDArray[np.float32]
    ) -> Sequence[NDArray[np.float32] | None]:
        """Compute the maps that are drawn; a CAM is that of the class that the model predicts."""
        if self._overlay == NO_MAP or not faces:
            return [None] * len(faces)
        if self._overlay == ATTENTION:
            return list(maps)
        images = self._predictor.preprocess(self._predictor.pixels(faces))
        run = CamRun(self._predictor.model, images, [self._overlay])
        return list(run.maps(scores.argmax(axis=1).tolist())[self._overlay].cpu().numpy())

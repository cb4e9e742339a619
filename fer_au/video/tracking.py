"""Know a face again from frame to frame: by the overlap of its boxes and the way of its points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fer_au.faces.geometry import box_area, box_iou

Array = NDArray[np.float64]

MEMORY = 1.0
"""Seconds for which a face that went out of sight keeps its number; at least two looks."""
MIN_IOU = 0.15
"""Overlap from which on two boxes may be those of one face."""
MAX_WAY = 0.6
"""Mean way of the points, in sides of the face's box, up to which they may be those of one face."""

_FORBIDDEN = 1e6  # a cost that no pair has
_INERTIA = 0.5  # share of the velocity that a new step leaves


@dataclass
class Track:
    """A face that is followed.

    Attributes:
        number: Its number, from 1, never given again.
        box: Its box in the last frame that showed it, xyxy pixels.
        anchors: Its points there, (K, 2) xy.
        time: That frame's time in seconds.
        velocity: Its way in a second, xy pixels.
    """

    number: int
    box: Array
    anchors: Array
    time: float
    velocity: Array = field(default_factory=lambda: np.zeros(2))

    def ahead(self, time: float) -> tuple[Array, Array]:
        """Say where box and points should be at a time, if the face goes on as it went."""
        way = self.velocity * (time - self.time)
        return self.box + np.concatenate([way, way]), self.anchors + way

    def follow(self, time: float, box: Array, anchors: Array) -> None:
        """Take the place that the face has now."""
        passed = time - self.time
        if passed > 0:
            step = (_centre(box) - _centre(self.box)) / passed
            self.velocity = _INERTIA * self.velocity + (1 - _INERTIA) * step
        self.box, self.anchors, self.time = box, anchors, time


class Tracker:
    """Gives faces their numbers, frame after frame.

    Each frame's faces and the tracks so far are paired at once, so that the sum of all costs is least (the assignment
    problem, by ``scipy.optimize.linear_sum_assignment``). The cost of a pair is what boxes lack of a full overlap, and
    the mean way of the points, where the track, going on as it went, would be now.

    Example:
        >>> tracker = Tracker()
        >>> box, points = np.array([10.0, 10, 50, 50]), np.array([[20.0, 20], [40, 20]])
        >>> tracker.update(0.0, [(box, points)])
        [1]
        >>> tracker.update(0.04, [(box + 200, points + 200), (box + 2, points + 2)])
        [2, 1]
    """

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._numbers = 0
        self._last: float | None = None

    def update(self, time: float, faces: Sequence[tuple[Array, Array]]) -> list[int]:
        """Give the faces of the next frame their numbers.

        Args:
            time: Time of the frame in seconds.
            faces: Box (4,) xyxy and points (K, 2) xy of each.
        """
        patience = MEMORY if self._last is None else max(MEMORY, 2 * (time - self._last))
        self._last = time
        self._tracks = [track for track in self._tracks if time - track.time <= patience]
        pairs = self._pair(time, faces)
        numbers = []
        for place, (box, anchors) in enumerate(faces):
            track = pairs.get(place)
            if track is None:
                self._numbers += 1
                track = Track(self._numbers, box, anchors, time)
                self._tracks.append(track)
            else:
                track.follow(time, box, anchors)
            numbers.append(track.number)
        return numbers

    def _pair(self, time: float, faces: Sequence[tuple[Array, Array]]) -> dict[int, Track]:
        """Find the tracks of faces, by the place of the face."""
        if not self._tracks or not faces:
            return {}
        costs = np.array([[_cost(*track.ahead(time), *face) for face in faces] for track in self._tracks])
        rows, places = linear_sum_assignment(costs)
        found = zip(rows.tolist(), places.tolist(), strict=True)
        return {place: self._tracks[row] for row, place in found if costs[row, place] < _FORBIDDEN}


def _cost(box: Array, anchors: Array, seen: Array, points: Array) -> float:
    """Say how unlike one face two places are: 0 for the same place, ``_FORBIDDEN`` for those of two faces."""
    iou = box_iou(box, seen)
    side = np.sqrt(max(box_area(box), box_area(seen)))
    way = float(np.hypot(*(points - anchors).T).mean() / side) if side > 0 else 0.0
    if iou < MIN_IOU and way > MAX_WAY:
        return _FORBIDDEN
    return 1 - iou + way


def _centre(box: Array) -> Array:
    centre: Array = (box[:2] + box[2:]) / 2
    return centre

"""68 points that a data set brings along: from a column of the label file, a table, or numpy arrays.

Points are xy in pixels of the upright picture, in the order of iBUG. Faulty points make no face unusable: the face
keeps its label, its points are NaN, and a row of ``rejects/ingest.csv`` says why. What can be told without the picture
is found here, the rest in ``point_faults``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from fer_au.config.reading import StrictModel
from fer_au.config.unread import ReadIf
from fer_au.datasets.base import Annotations
from fer_au.datasets.files import leads_below
from fer_au.errors import DataError
from fer_au.ibug68 import N_POINTS
from fer_au.rejects import Reason, Reject

Points = NDArray[np.float32]

OFFSET = 0.5
"""Pixels that are added to points if nothing else is said: dlib and OpenCV count pixels' centres from 0."""

_SCHEMES = {
    5: "the eyes, the nose and the corners of the mouth",
    21: "as AFLW has",
    29: "as COFW has",
    49: "iBUG's without the jaw and the inner corners of the mouth",
    51: "iBUG's without the jaw",
    66: "iBUG's without the inner corners of the mouth",
    98: "as WFLW has",
    106: "as JD and LaPa have",
    194: "as Helen has",
    468: "a face mesh of mediapipe",
    478: "a face mesh of mediapipe, with irises",
}
"""Number of points -> scheme that has as many."""


class PointsSource(StrictModel):
    """Source of the data set's own 68 points: exactly one of ``column`` and ``file``.

    Attributes:
        column: Column of the label file whose cells hold x;y of all points (136 numbers, also parted by commas or
            spaces), as AffectNet's ``facial_landmarks``.
        file: Table or arrays below the root. A ``.csv`` has a header with column ``id`` and ``x0,y0,...,x67,y67`` (or
            ``x_0``...; other columns are ignored). An ``.npz`` has arrays ``id`` and ``points`` (N, 68, 2). An id is
            the picture as the label file names it, or the id of the manifest.
        id: The table's column that names the picture.
        offset: Pixels added to both coordinates: 0.5 for points that count pixel centres from 0, as dlib and OpenCV
            do; -0.5 for points that count from 1 (Matlab, ``.pts`` files); 0 for points measured from the picture's
            edge. null takes 0.5, and 0 for a file that `fer-au store export` wrote, which says so.
    """

    READ_IF = (ReadIf("id", lambda one: str(one.file).lower().endswith(".csv"), "a .csv file alone has such a column"),)

    column: str | Annotated[int, Field(ge=0)] | None = None
    file: str | None = Field(default=None, validate_default=True)
    id: str = "id"
    offset: Annotated[float, Field(ge=-1, le=1)] | None = None

    @field_validator("file")
    @classmethod
    def _below_root(cls, value: str | None) -> str | None:
        path = PurePosixPath(value or "x.csv")
        if not leads_below(str(path)):
            raise ValueError("must be a path below root")
        if path.suffix.lower() not in (".csv", ".npz"):
            raise ValueError("must be a .csv or an .npz file")
        return value

    @field_validator("file")
    @classmethod
    def _one_source(cls, file: str | None, known: ValidationInfo) -> str | None:
        if "column" in known.data:
            if known.data["column"] is None and file is None:
                raise ValueError("needs either column or file")
            if known.data["column"] is not None and file is not None:
                raise ValueError("column and file exclude each other")
        return file


class PointsCollector:
    """Gathers the points of a set's faces.

    Args:
        origin: Name of the place in errors and notes: a file, or a file and its column.
        offset: Pixels that are added to both coordinates.
    """

    def __init__(self, origin: str, offset: float) -> None:
        self._origin = origin
        self._offset = offset
        self._remarks: list[str] = []
        self._points: dict[str, Points] = {}
        self._faults: dict[str, str] = {}
        self._unmatched: list[str] = []

    def add(self, face: str, points: Points | str) -> None:
        """Take the points of a face.

        Args:
            face: Id of the record.
            points: Points (68, 2) as the data set has them, without the offset; or a text about their fault.
        """
        if not isinstance(points, str) and not np.isfinite(points).all():
            points = "not all numbers of the points are finite"
        known = self._points.get(face)
        if isinstance(points, str):
            self._faults[face] = points
        elif known is not None and not np.array_equal(known, points):
            self._faults[face] = "several rows with other points"
        else:
            self._points[face] = points

    def add_unmatched(self, name: str) -> None:
        """Count points under a name that no face of the set has."""
        self._unmatched.append(name)

    def remark(self, line: str) -> None:
        """Keep a line for people."""
        self._remarks.append(line)

    def annotations(self) -> Annotations:
        """Gather the column ``points`` of the faces that have readable ones.

        Raises:
            DataError: No face has points.
        """
        if not self._points and not self._faults:
            why = f"{self._unmatched[0]!r} is no picture of the label file" if self._unmatched else "it is empty"
            raise DataError(f"{self._origin}: no points of the set's faces (key points); {why}")
        faces = sorted(self._points.keys() - self._faults.keys())
        stacked = np.array([self._points[face] for face in faces], np.float32).reshape(-1, N_POINTS, 2)
        return Annotations(
            tuple(faces),
            {"points": stacked + np.float32(self._offset)},
            points_from=self._origin,
            points_offset=self._offset,
        )

    def rejects(self) -> tuple[Reject, ...]:
        """List the faces whose points can't be read."""
        return tuple(Reject(face, Reason.BAD_POINTS, fault) for face, fault in self._faults.items())

    def notes(self, faces: int) -> tuple[str, ...]:
        """Write lines about faces without points.

        Args:
            faces: Number of faces that the label file names.
        """
        notes = list(self._remarks)
        known = len(self._points.keys() | self._faults.keys())
        if known < faces:
            notes.append(f"{known} of {faces} faces have points in {self._origin}")
        if self._unmatched:
            first = min(self._unmatched)
            notes.append(f"{len(self._unmatched)} ids of {self._origin} are no picture of the set, such as {first}")
        return tuple(notes)


def parse_points(text: str) -> Points | str:
    """Read the points (68, 2) of a cell ``x;y;x;y...``; a text about the fault where there is one."""
    return to_points([part for part in re.split(r"[;,\s]+", text.strip()) if part])


def to_points(parts: Sequence[str]) -> Points | str:
    """Read the points (68, 2) of texts x, y, x, y, ...; a text about the fault where there is one."""
    if len(parts) != 2 * N_POINTS:
        return count_fault(len(parts))
    try:
        return np.array(parts, np.float32).reshape(N_POINTS, 2)
    except ValueError:
        return "not all of the points are numbers"


def count_fault(numbers: int) -> str:
    """Say that a face has another number of coordinates than 136, and of which scheme they may be.

    Example:
        >>> count_fault(196)
        "98 points (as WFLW has) instead of iBUG's 68"
    """
    if numbers == 3 * N_POINTS:
        return f"{numbers} numbers instead of {2 * N_POINTS}: x, y and z of each point? leave z out"
    if numbers % 2:
        return f"{numbers} numbers instead of {2 * N_POINTS}"
    scheme = _SCHEMES.get(numbers // 2)
    return f"{numbers // 2} points{f' ({scheme})' if scheme else ''} instead of iBUG's {N_POINTS}"

"""Cues, kinds of maps that attention can be guided to or compared with: base class, input, and registry."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fer_au.answers import check_range
from fer_au.arguments import check_type, read_list, read_number, read_whole
from fer_au.array_arguments import read_array, read_points
from fer_au.cues.arrays import Array, full_precision, namespace
from fer_au.cues.codebook import Codebook
from fer_au.cues.geometries import Geometry, unpack_drawn
from fer_au.errors import ArgumentError, DataError
from fer_au.ibug68 import N_POINTS
from fer_au.registry import Registry

_FARTHEST = 1e6  # pixels; a landmark beyond is as useless as a missing one, and its square may overflow


@dataclass(frozen=True)
class FaceBatch:
    """Faces that maps are drawn for, with all data that a cue may use.

    Attributes:
        points: (N, 68, 2) iBUG-68 xy in pixels of a square crop, pixel i covering [i, i + 1); a numpy array, or a torch
            tensor on any device. Lists become an array.
        labels: N expression names, None where a face has none; cues that read them read them as in label files.
        image_size: Side of the crop in pixels.
        map_size: Side S of the maps in cells, which tile the crop.
        columns: Column name -> N rows of it, such as ``au`` of ``annotations.h5``.
        attributes: Attributes of the store that the columns come from, such as ``au_names``.

    Raises:
        ArgumentError: Points, labels, sizes or columns are something else, or don't fit together.
    """

    points: Array
    labels: Sequence[str | None] | NDArray[np.str_]
    image_size: float
    map_size: int
    columns: Mapping[str, Array] = field(default_factory=dict)
    attributes: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        points = read_points("points", self.points)
        labels = read_list("labels", self.labels, "a list of expression names")
        if len(labels) != len(points):
            raise ArgumentError(f"labels: expected one for each of {len(points)} faces, got {len(labels)}")
        columns = {
            name: _read_column(f"columns[{name!r}]", rows, len(points))
            for name, rows in check_type("columns", self.columns, Mapping, "a mapping of names to rows").items()
        }
        read = {"points": points, "labels": labels, "columns": columns}
        read["image_size"] = read_number("image_size", self.image_size)
        read["map_size"] = read_whole("map_size", self.map_size)
        for name, value in read.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.points)

    def rows(self, positions: Sequence[int] | NDArray[np.int64]) -> FaceBatch:
        """Select the faces at some positions."""
        rows = np.asarray(positions, np.int64)
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(self, points=self.points[rows], labels=[self.labels[row] for row in positions], columns=columns)

    def checked(self) -> tuple[FaceBatch, Array]:
        """Find the faces whose points are of use.

        Returns:
            The faces with points in float32, zero where they are of no use; and usable (N,) bool: all coordinates are
            finite and not absurdly far away.
        """
        xp = namespace(self.points)
        points = np.asarray(self.points, np.float32) if xp is np else self.points.detach().float()
        # NaN compares false, so this finds missing, infinite and absurd coordinates alike.
        usable = (xp.abs(points) <= _FARTHEST).reshape(len(points), 2 * N_POINTS).all(1)
        return replace(self, points=xp.where(usable[:, None, None], points, 0)), usable


def _read_column(name: str, rows: object, count: int) -> Array:
    """Read a column: an array of any type with one row for each face.

    Raises:
        ArgumentError: It is something else.
    """
    column = read_array(name, rows, ("...",))
    if column.shape[:1] != (count,):
        raise ArgumentError(f"{name}: expected one row for each of {count} faces, got {tuple(column.shape)}")
    return column


class Cue(ABC):
    """Base of all cues. A subclass says with ``draw`` how its maps are drawn, and registers under a name.

    ``codebook`` and ``geometry`` are the options that a guidance term can give. A constructor takes, as keyword
    arguments, those that the cue has a use for.

    Attributes:
        name: Registered name, set by ``create_cue``; used in messages.
        needs: Names of the columns that it is drawn from; most cues need none.
        source: Store of these columns: ``annotations`` (the data set's ``annotations.h5``), or ``clusters`` (made in
            the first phase of training from the features of the experiment's base model).
        avoid: Whether it shows where attention should not be, as ``background`` does. Such a cue is 1 beyond the
            picture's border, others are 0 there.
        needs_landmarks: Whether a face without landmarks has no map; False for a cue that is drawn from columns alone.
        takes_tensors: Whether ``draw`` computes with torch tensors, too; others are only given numpy arrays.
    """

    name: str = ""
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[Literal["annotations", "clusters"]] = "annotations"
    avoid: ClassVar[bool] = False
    needs_landmarks: ClassVar[bool] = True
    takes_tensors: bool = False

    @abstractmethod
    def draw(self, faces: FaceBatch) -> tuple[Array, Array]:
        """Draw the maps of N faces; ``render`` calls it, and takes care of faces without landmarks.

        Args:
            faces: The faces, checked: points are float32 and finite, and 0 for a face without landmarks; the columns in
                ``needs`` are there.

        Returns:
            maps (N, S, S) float32 in [0, 1], and valid (N,) bool, False where there is no map. A cue that is on a grid
            of its own, as ``clusters`` is, gives that.
        """

    def render(self, faces: FaceBatch) -> tuple[Array, Array]:
        """Draw the maps of N faces, in the array library of their points.

        Returns:
            maps (N, S, S) float32 in [0, 1], and valid (N,) bool, False with a map of zeros where there is none.

        Raises:
            ArgumentError: ``faces`` is something else.
            DataError: A column that the cue needs is missing or wrong.
            PartError: The cue, another package's, gave something else than maps.
        """
        check_type("faces", faces, FaceBatch, "a fer_au.cues.FaceBatch")
        xp = namespace(faces.points)
        with full_precision(faces.points):
            checked, usable = faces.checked()
            for column in self.needs:
                if column not in faces.columns:
                    raise DataError(f"cue {self.name!r} needs the column {column!r}, which is not there")
            if xp is np or self.takes_tensors:
                maps, valid = self._drawn(checked, usable)
            else:
                known = replace(checked, points=checked.points.cpu().numpy()), usable.cpu().numpy()
                maps, valid = (xp.asarray(part, device=faces.points.device) for part in self._drawn(*known))
            return maps, valid

    def _drawn(self, faces: FaceBatch, usable: Array) -> tuple[Array, Array]:
        """Draw checked faces, and check the maps.

        Raises:
            PartError: The cue gave something else than maps.
        """
        title, xp = CUES.title(self), namespace(faces.points)
        maps, valid = unpack_drawn(title, self.draw(faces), faces.points)
        valid = valid & usable if self.needs_landmarks else valid
        maps = xp.where(valid[:, None, None], maps, 0)
        check_range(title, "maps", maps, 0, 1, wait=False)
        return xp.asarray(maps, dtype=xp.float32), valid


CUES: Registry[type[Cue]] = Registry(
    "cue",
    "fer_au.cues",
    built_in={
        "au": "fer_au.cues.au",
        "au_active": "fer_au.cues.active",
        "au_generic": "fer_au.cues.au",
        "background": "fer_au.cues.background",
        "clusters": "fer_au.cues.clusters",
        "landmarks": "fer_au.cues.landmark_maps",
        "landmarks51": "fer_au.cues.landmark_maps",
    },
    base=Cue,
    arguments=("codebook", "geometry"),
)


def unread_options(name: str) -> dict[str, str]:
    """List what a guidance term may say of its maps, and its cue doesn't read, with the reason.

    Raises:
        UnknownNameError: There is no such cue; the message lists near names.
    """
    cue = CUES.get(name)
    taken = inspect.signature(cue).parameters
    unread = {option: f"cue {name!r} has no {option}" for option in ("codebook", "geometry") if option not in taken}
    if not cue.needs_landmarks:
        unread["landmark_noise"] = f"cue {name!r} is not drawn from landmarks"
    return unread


def create_cue(
    name: str, *, codebook: str | Path | Codebook = "corrected", geometry: str | Geometry = "corrected"
) -> Cue:
    """Make a cue.

    Args:
        name: Registered name.
        codebook: Name, path or codebook, for a cue that draws the action units of expressions.
        geometry: Name or geometry, for a cue whose maps depend on it.

    Raises:
        UnknownNameError: No cue, codebook or geometry has that name; the message lists near names.
        ConfigError: The codebook is wrong, or does not fit the geometry.

    Example:
        >>> create_cue("au", codebook="paper", geometry="paper").geometry.name
        'paper'
    """
    make = CUES.get(name)
    signature = inspect.signature(make)
    options = {"codebook": codebook, "geometry": geometry}
    options = {option: value for option, value in options.items() if option in signature.parameters}
    cue = make(**options)
    cue.name = name
    return cue


def list_cues() -> list[str]:
    """List the names of all cues.

    Example:
        >>> {"au", "background", "landmarks"} <= set(list_cues())
        True
    """
    return CUES.names()

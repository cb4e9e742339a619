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

from fer_au.cues.arrays import Array, full_precision, namespace
from fer_au.cues.codebook import Codebook
from fer_au.cues.geometries import Geometry
from fer_au.errors import ConfigError, DataError
from fer_au.ibug68 import N_POINTS
from fer_au.registry import Registry

_FARTHEST = 1e6  # pixels; a landmark beyond is as useless as a missing one, and its square may overflow


@dataclass(frozen=True)
class FaceBatch:
    """Faces that maps are drawn for, with all data that a cue may use.

    Attributes:
        points: (N, 68, 2) iBUG-68 xy in pixels of a square crop, pixel i covering [i, i + 1); a numpy array, or a torch
            tensor on any device.
        labels: N canonical expression names.
        image_size: Side of the crop in pixels.
        map_size: Side S of the maps in cells, which tile the crop.
        columns: Column name -> N rows of it, such as ``au`` of ``annotations.h5``.
        attributes: Attributes of the store that the columns come from, such as ``au_names``.
    """

    points: Array
    labels: Sequence[str] | NDArray[np.str_]
    image_size: float
    map_size: int
    columns: Mapping[str, Array] = field(default_factory=dict)
    attributes: Mapping[str, object] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.points)

    def rows(self, positions: Sequence[int] | NDArray[np.int64]) -> FaceBatch:
        """Select the faces at some positions."""
        rows = np.asarray(positions, np.int64)
        columns = {name: values[rows] for name, values in self.columns.items()}
        return replace(self, points=self.points[rows], labels=[self.labels[row] for row in positions], columns=columns)

    def checked(self) -> tuple[FaceBatch, Array]:
        """Check that everything fits together.

        Returns:
            The faces with points in float32, zero where they are of no use; and usable (N,) bool: all coordinates are
            finite and not absurdly far away.

        Raises:
            DataError: Shapes or numbers do not fit together, or a size is not positive.
        """
        xp = namespace(self.points)
        points = np.asarray(self.points, np.float32) if xp is np else self.points.detach().float()
        if points.ndim != 3 or tuple(points.shape[1:]) != (N_POINTS, 2):
            raise DataError(f"points have the shape {tuple(points.shape)}, expected (N, {N_POINTS}, 2)")
        if len(self.labels) != len(points):
            raise DataError(f"{len(points)} faces but {len(self.labels)} labels")
        if self.image_size <= 0 or self.map_size < 1:
            raise DataError(f"image_size {self.image_size} and map_size {self.map_size} must be positive")
        # NaN compares false, so this finds missing, infinite and absurd coordinates alike.
        usable = (xp.abs(points) <= _FARTHEST).reshape(len(points), 2 * N_POINTS).all(1)
        return replace(self, points=xp.where(usable[:, None, None], points, 0)), usable


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
            DataError: The faces' arrays do not fit together, or a column that the cue needs is missing or wrong.
        """
        xp = namespace(faces.points)
        with full_precision(faces.points):
            checked, usable = faces.checked()
            for column in self.needs:
                if column not in faces.columns:
                    raise DataError(f"cue {self.name!r} needs the column {column!r}, which is not there")
            if xp is np or self.takes_tensors:
                maps, valid = self.draw(checked)
            else:
                drawn = self.draw(replace(checked, points=checked.points.cpu().numpy()))
                maps, valid = (xp.asarray(part, device=faces.points.device) for part in drawn)
            if maps.ndim != 3 or len(maps) != len(faces) or tuple(valid.shape) != (len(faces),):
                shapes = f"{tuple(maps.shape)} and {tuple(valid.shape)}"
                raise DataError(f"cue {self.name!r} drew arrays of shape {shapes} for {len(faces)} faces")
            valid = valid & usable if self.needs_landmarks else valid
            return xp.where(valid[:, None, None], maps, 0), valid


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
)


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
    try:
        signature.bind(**options)
    except TypeError as error:
        place = f"{make.__module__}.{make.__qualname__}"
        raise ConfigError(f"cue {name!r}: {place} may take codebook and geometry alone: {error}") from error
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

"""The registry of cues: the kinds of maps that attention can be guided to or compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from fer_au.cues.arrays import Array
from fer_au.cues.codebook import Codebook, load_codebook
from fer_au.cues.geometries import create_geometry
from fer_au.cues.rendering import check_drawable, render_au_maps
from fer_au.errors import DataError
from fer_au.registry import Registry
from fer_au.stores.fingerprints import fingerprint


@dataclass(frozen=True)
class Annotated:
    """What is known of N faces besides landmarks and label.

    Attributes:
        columns: Name -> N rows of a column of ``annotations.h5`` (``clusters``: of the experiment's ``clusters.h5``).
        attributes: Of the same store, such as ``au_names``.
    """

    columns: Mapping[str, Array] = field(default_factory=dict)
    attributes: Mapping[str, object] = field(default_factory=dict)


class Cue(Protocol):
    """A kind of map with its options set.

    Attributes:
        needs: Columns of ``annotations.h5`` that it is drawn from; most cues need none.
        avoid: Whether it shows where attention should not be, as ``background`` does. Such a cue is 1 beyond the
            picture's border, others are 0 there.
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """See the class."""
        ...

    @property
    def avoid(self) -> bool:
        """See the class."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides its maps, besides landmarks, labels, annotations and sizes."""
        ...

    def render(
        self, points: Array, labels: list[str], image_size: float, map_size: int, annotated: Annotated | None = None
    ) -> tuple[Array, Array]:
        """Draw the maps of N faces.

        Args:
            points: (N, 68, 2) as ``render_au_maps`` takes them.
            labels: N canonical expression names.
            image_size: Side of the crop in pixels.
            map_size: Side S of the maps.
            annotated: The columns that the cue needs.

        Returns:
            maps (N, S, S) float32 in [0, 1], and valid (N,) bool, False with a map of zeros where there is none. A cue
            that is on a grid of its own, as ``clusters`` is, gives that.

        Raises:
            DataError: A column that it needs is missing or wrong.
        """
        ...


class CueFactory(Protocol):
    """What the registry holds: makes a cue from the options of a guidance term."""

    def __call__(self, *, codebook: str | Path | Codebook, geometry: str) -> Cue:
        """Make the cue; a cue that has no use for an option ignores it."""
        ...


CUES: Registry[CueFactory] = Registry(
    "cue",
    "fer_au.cues",
    built_in={
        "au_active": "fer_au.cues.active",
        "au_generic": "fer_au.cues.generic",
        "background": "fer_au.cues.background",
        "clusters": "fer_au.cues.clusters",
        "landmarks": "fer_au.cues.landmark_maps",
        "landmarks51": "fer_au.cues.landmark_maps",
    },
)


@CUES.register("au")
class AUCue:
    """The action units of the face's expression (see ``render_au_maps``).

    Args:
        codebook: Name, path or loaded codebook.
        geometry: Name of a geometry.

    Raises:
        ConfigError: Unknown or wrong codebook or geometry, or the geometry can't draw what the codebook lists.
    """

    needs: tuple[str, ...] = ()
    avoid = False

    def __init__(self, *, codebook: str | Path | Codebook = "corrected", geometry: str = "corrected") -> None:
        self.codebook = codebook if isinstance(codebook, Codebook) else load_codebook(codebook)
        self.geometry = create_geometry(geometry)
        check_drawable(self.codebook, self.geometry)

    @property
    def fingerprint(self) -> str:
        """Changes with the codebook's entries and with the geometry's version, not with a codebook's name."""
        geometry = {"name": self.geometry.name, "version": self.geometry.version}
        return fingerprint("cue/au", 1, {"codebook": self.codebook.sha256, "geometry": geometry})

    def render(
        self, points: Array, labels: list[str], image_size: float, map_size: int, annotated: Annotated | None = None
    ) -> tuple[Array, Array]:
        """See ``Cue.render``."""
        maps, valid = render_au_maps(
            points, np.asarray(labels, dtype=np.str_), image_size, map_size, self.codebook, self.geometry
        )
        return maps, valid


def create_cue(name: str, *, codebook: str | Path | Codebook = "corrected", geometry: str = "corrected") -> Cue:
    """Make a cue.

    Raises:
        UnknownNameError: No cue, codebook or geometry has that name; the message lists near names.
        ConfigError: The codebook is wrong, or does not fit the geometry.

    Example:
        >>> create_cue("au", codebook="paper", geometry="paper").geometry.name
        'paper'
    """
    return CUES.get(name)(codebook=codebook, geometry=geometry)


def list_cues() -> list[str]:
    """Names of all cues.

    Example:
        >>> {"au", "background", "landmarks"} <= set(list_cues())
        True
    """
    return CUES.names()


def needed_column(annotated: Annotated | None, name: str, cue: str) -> Array:
    """The rows of a column that a cue needs.

    Raises:
        DataError: They were not given.
    """
    if annotated is None or name not in annotated.columns:
        raise DataError(f"cue {cue!r} needs the column {name!r}, which is not there")
    return annotated.columns[name]

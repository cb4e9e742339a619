"""The registry of cues: the kinds of maps that attention can be guided to or compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from fer_au.cues.arrays import Array
from fer_au.cues.codebook import Codebook, load_codebook
from fer_au.cues.geometries import create_geometry
from fer_au.cues.rendering import check_drawable, render_au_maps
from fer_au.registry import Registry
from fer_au.stores.fingerprints import fingerprint


class Cue(Protocol):
    """A kind of map with its options set.

    Attributes:
        fingerprint: Hash of everything that decides its maps, besides landmarks, labels and sizes.
    """

    @property
    def fingerprint(self) -> str:
        """See the class."""
        ...

    def render(self, points: Array, labels: list[str], image_size: float, map_size: int) -> tuple[Array, Array]:
        """Maps (N, S, S) float32 in [0, 1] and valid (N,) bool, of N faces as ``render_au_maps`` takes them."""
        ...


class CueFactory(Protocol):
    """What the registry holds: makes a cue from the options of a guidance term."""

    def __call__(self, *, codebook: str | Path | Codebook, geometry: str) -> Cue:
        """Make the cue; a cue that has no use for an option ignores it."""
        ...


CUES: Registry[CueFactory] = Registry("cue", "fer_au.cues")


@CUES.register("au")
class AUCue:
    """The action units of the face's expression (see ``render_au_maps``).

    Args:
        codebook: Name, path or loaded codebook.
        geometry: Name of a geometry.

    Raises:
        ConfigError: Unknown or wrong codebook or geometry, or the geometry can't draw what the codebook lists.
    """

    def __init__(self, *, codebook: str | Path | Codebook = "corrected", geometry: str = "corrected") -> None:
        self.codebook = codebook if isinstance(codebook, Codebook) else load_codebook(codebook)
        self.geometry = create_geometry(geometry)
        check_drawable(self.codebook, self.geometry)

    @property
    def fingerprint(self) -> str:
        """Changes with the codebook's entries and with the geometry's version, not with a codebook's name."""
        geometry = {"name": self.geometry.name, "version": self.geometry.version}
        return fingerprint("cue/au", 1, {"codebook": self.codebook.sha256, "geometry": geometry})

    def render(self, points: Array, labels: list[str], image_size: float, map_size: int) -> tuple[Array, Array]:
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
    """
    return CUES.get(name)(codebook=codebook, geometry=geometry)


def list_cues() -> list[str]:
    """Names of all cues."""
    return CUES.names()

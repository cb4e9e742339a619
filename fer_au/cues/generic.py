"""Cue ``au_generic``: all action units at once, whatever the expression."""

from __future__ import annotations

from pathlib import Path

from fer_au.cues.arrays import Array
from fer_au.cues.codebook import Codebook
from fer_au.cues.cue import CUES, Annotated
from fer_au.cues.geometries import create_geometry
from fer_au.cues.rendering import render_au_maps
from fer_au.stores.fingerprints import fingerprint


@CUES.register("au_generic")
class GenericAUCue:
    """Every action unit that the geometry draws, for every face, neutral ones included.

    Source: the class-agnostic maps among the alternatives of Belharbi et al. (FG 2024, arXiv 2402.00281).

    Args:
        codebook: Not used.
        geometry: Name of a geometry.

    Raises:
        UnknownNameError: There is no such geometry.
    """

    needs: tuple[str, ...] = ()
    avoid = False

    def __init__(self, *, codebook: str | Path | Codebook = "corrected", geometry: str = "corrected") -> None:
        self.geometry = create_geometry(geometry)
        units = dict.fromkeys(sorted(self.geometry.action_units), 1.0)
        self._codebook = Codebook("generic", {"neutral": units})

    @property
    def fingerprint(self) -> str:
        """Changes with the geometry's version."""
        return fingerprint("cue/au_generic", 1, {"geometry": self.geometry.name, "version": self.geometry.version})

    def render(
        self, points: Array, labels: list[str], image_size: float, map_size: int, annotated: Annotated | None = None
    ) -> tuple[Array, Array]:
        """See ``Cue.render``; labels play no part."""
        one_label = ["neutral"] * len(labels)
        maps, valid = render_au_maps(points, one_label, image_size, map_size, self._codebook, self.geometry)
        return maps, valid

"""Cue ``background``: where no face is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_au.cues.arrays import Array, constant, full_precision, is_tensor
from fer_au.cues.codebook import Codebook
from fer_au.cues.cue import CUES, Annotated
from fer_au.cues.regions import REGIONS, region_coverage
from fer_au.cues.rendering import checked_points
from fer_au.stores.fingerprints import fingerprint


@CUES.register("background")
class BackgroundCue:
    """How much of each cell the background covers: what is left of the picture without the face's five regions.

    Source: the background mask of the csci5527 project, which asks for attention outside of it; its outlines are
    ``cues.regions``. Hair above the brows' lifted line is background. Without landmarks there is no mask.

    Args:
        codebook: Not used.
        geometry: Not used.
    """

    needs: tuple[str, ...] = ()
    avoid = True

    def __init__(self, *, codebook: str | Path | Codebook = "corrected", geometry: str = "corrected") -> None:
        pass

    @property
    def fingerprint(self) -> str:
        """One for all."""
        return fingerprint("cue/background", 1)

    def render(
        self, points: Array, labels: list[str], image_size: float, map_size: int, annotated: Annotated | None = None
    ) -> tuple[Array, Array]:
        """See ``Cue.render``; valid needs a part of the face in the frame. Labels play no part."""
        with full_precision(points):
            checked, usable = checked_points(points, len(labels), image_size, map_size)
            on_cpu = checked.cpu().numpy() if is_tensor(checked) else checked
            known = usable.cpu().numpy() if is_tensor(usable) else usable
            coverage = region_coverage(on_cpu, image_size, (map_size, map_size))[:, REGIONS.index("background")]
            valid = known & (coverage < 1).any(axis=(1, 2))
            maps = np.where(valid[:, None, None], coverage, 0.0).astype(np.float32)
            return constant(maps, checked), constant(valid, checked)

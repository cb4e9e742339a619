"""Cues: maps of where a face should be looked at, drawn from its landmarks and its label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.cues.codebook import Codebook as Codebook
    from fer_au.cues.codebook import create_codebook as create_codebook
    from fer_au.cues.codebook import list_codebooks as list_codebooks
    from fer_au.cues.codebook import load_codebook as load_codebook
    from fer_au.cues.cue import Cue as Cue
    from fer_au.cues.cue import FaceBatch as FaceBatch
    from fer_au.cues.cue import create_cue as create_cue
    from fer_au.cues.cue import list_cues as list_cues
    from fer_au.cues.geometries import Geometry as Geometry
    from fer_au.cues.geometries import create_geometry as create_geometry
    from fer_au.cues.geometries import list_geometries as list_geometries
    from fer_au.cues.rendering import render_au_maps as render_au_maps
    from fer_au.cues.stage import render_dataset as render_dataset

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Codebook": ".codebook",
        "Cue": ".cue",
        "FaceBatch": ".cue",
        "Geometry": ".geometries",
        "create_codebook": ".codebook",
        "create_cue": ".cue",
        "create_geometry": ".geometries",
        "list_codebooks": ".codebook",
        "list_cues": ".cue",
        "list_geometries": ".geometries",
        "load_codebook": ".codebook",
        "render_au_maps": ".rendering",
        "render_dataset": ".stage",
    },
)

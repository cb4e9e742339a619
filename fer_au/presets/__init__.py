"""Presets: the experiments of published tables, and recipes of our own, written out as a ``params.yaml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.presets.expansion import Expansion as Expansion
    from fer_au.presets.expansion import expand as expand
    from fer_au.presets.preset import Preset as Preset
    from fer_au.presets.preset import list_presets as list_presets
    from fer_au.presets.preset import load_preset as load_preset
    from fer_au.presets.writing import write_preset as write_preset

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Expansion": ".expansion",
        "Preset": ".preset",
        "expand": ".expansion",
        "list_presets": ".preset",
        "load_preset": ".preset",
        "write_preset": ".writing",
    },
)

"""The command line ``fer-au``: checks and tools around the pipeline; the pipeline itself runs by ``dvc repro``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.cli.entry import app as app
    from fer_au.cli.process import main as main

__getattr__, __all__ = lazy_exports(__name__, {"app": ".entry", "main": ".process"})

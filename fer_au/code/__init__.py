"""Hashes of the code's syntax, by which stages, trainings and cached rows know whether they are current."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.code.closure import code_digest as code_digest
    from fer_au.code.stages import stage_code as stage_code

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "code_digest": ".closure",
        "stage_code": ".stages",
    },
)

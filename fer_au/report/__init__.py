"""Write the report: one self-contained page of the experiments that ``params.yaml`` names now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.report.stage import write_report as write_report

__getattr__, __all__ = lazy_exports(__name__, {"write_report": ".stage"})

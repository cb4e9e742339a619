"""One look at the whole ``params.yaml`` before anything runs: all that would stop a stage hours later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.checks.params import check_params as check_params
    from fer_au.checks.params import refuse_problems as refuse_problems

__getattr__, __all__ = lazy_exports(__name__, {"check_params": ".params", "refuse_problems": ".params"})

"""A lab's own project folder: made by ``fer-au init``, brought to another release by ``fer-au upgrade``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.scaffold.init import init_project as init_project
    from fer_au.scaffold.upgrade import upgrade_project as upgrade_project

__getattr__, __all__ = lazy_exports(__name__, {"init_project": ".init", "upgrade_project": ".upgrade"})

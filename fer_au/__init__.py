"""Interpretable facial expression recognition: cached data preparation, AU-guided training, honest measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.predictor import Predictor as Predictor
    from fer_au.use.project import Project as Project
    from fer_au.use.project import open_project as open_project
    from fer_au.version import __version__ as __version__

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Predictor": ".predictor",
        "Project": ".use.project",
        "__version__": ".version",
        "open_project": ".use.project",
    },
)

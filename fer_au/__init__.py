"""Interpretable facial expression recognition: cached data preparation, AU-guided training, honest measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.predictor import Predictor as Predictor

__version__ = "0.1.0"

__getattr__, __all__ = lazy_exports(__name__, {"Predictor": ".predictor"})

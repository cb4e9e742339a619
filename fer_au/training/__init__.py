"""Training: guidance losses, joint augmentation, the loop, and experiments from configuration to ``models/<exp>``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.training.attention_guidance import AttentionGuidance as AttentionGuidance
    from fer_au.training.losses.base import GuidanceLoss as GuidanceLoss
    from fer_au.training.losses.base import create_loss as create_loss
    from fer_au.training.losses.base import list_losses as list_losses
    from fer_au.training.stage import train_experiment as train_experiment

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "AttentionGuidance": ".attention_guidance",
        "GuidanceLoss": ".losses.base",
        "create_loss": ".losses.base",
        "list_losses": ".losses.base",
        "train_experiment": ".stage",
    },
)

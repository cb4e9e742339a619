"""Training: guidance losses, joint augmentation, the loop, and experiments from configuration to ``models/<exp>``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.training.losses import GuidanceLoss as GuidanceLoss
    from fer_au.training.losses import create_loss as create_loss
    from fer_au.training.losses import list_losses as list_losses
    from fer_au.training.stage import train_experiment as train_experiment

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "GuidanceLoss": ".losses",
        "create_loss": ".losses",
        "list_losses": ".losses",
        "train_experiment": ".stage",
    },
)

"""Training: guidance losses, joint augmentation, the loop, and experiments from configuration to ``models/<exp>``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.training.data import Batch as Batch
    from fer_au.training.data import FaceDataset as FaceDataset
    from fer_au.training.experiment import train_experiment as train_experiment
    from fer_au.training.loading import BatchLoader as BatchLoader
    from fer_au.training.losses import create_loss as create_loss
    from fer_au.training.losses import list_losses as list_losses
    from fer_au.training.preprocess import Preprocessing as Preprocessing

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Batch": ".data",
        "BatchLoader": ".loading",
        "FaceDataset": ".data",
        "Preprocessing": ".preprocess",
        "create_loss": ".losses",
        "list_losses": ".losses",
        "train_experiment": ".experiment",
    },
)

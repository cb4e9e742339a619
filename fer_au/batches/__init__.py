"""Input of a model: faces of a data set, decoded, cut into batches and preprocessed; for training and measuring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.batches.faces import Batch as Batch
    from fer_au.batches.faces import FaceDataset as FaceDataset
    from fer_au.batches.loading import BatchLoader as BatchLoader
    from fer_au.batches.preprocess import Preprocessing as Preprocessing

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "Batch": ".faces",
        "BatchLoader": ".loading",
        "FaceDataset": ".faces",
        "Preprocessing": ".preprocess",
    },
)

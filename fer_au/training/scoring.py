"""Scores of a split during training: what the best epoch is selected by."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fer_au.models.network import FerModel
from fer_au.training.loading import BatchLoader, cut_batches
from fer_au.training.precision import Precision, autocast
from fer_au.training.preprocess import Preprocessing


@dataclass(frozen=True)
class Scores:
    """Accuracy over all images, mean recall over the classes that occur, mean plain cross-entropy."""

    accuracy: float
    balanced_accuracy: float
    loss: float


@torch.no_grad()
def score_split(
    model: FerModel, loader: BatchLoader, preprocessing: Preprocessing, precision: Precision, batch_size: int
) -> Scores:
    """Score a model on all images of a loader; the model is put into evaluation mode and stays in it."""
    model.eval()
    device = next(model.parameters()).device
    logits, labels = [], []
    for batch in loader(cut_batches(range(len(loader.dataset)), batch_size)):
        with autocast(device, precision):
            logits.append(model(preprocessing(batch.images.to(device))).logits.float().cpu())
        labels.append(batch.labels)
    return summarise(torch.cat(logits), torch.cat(labels))


def summarise(logits: Tensor, labels: Tensor) -> Scores:
    """Scores of logits (N, C) under labels (N,)."""
    hits = (logits.argmax(1) == labels).double()
    recalls = [hits[labels == label].mean() for label in sorted(set(labels.tolist()))]
    return Scores(
        accuracy=float(hits.mean()),
        balanced_accuracy=float(torch.stack(recalls).mean()),
        loss=float(functional.cross_entropy(logits, labels)),
    )

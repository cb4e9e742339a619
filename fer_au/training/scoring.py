"""Scores of a split during training, which select the best epoch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fer_au.batches.loading import BatchLoader, cut_batches
from fer_au.batches.precision import Precision, autocast
from fer_au.batches.preprocess import Preprocessing
from fer_au.classification import accuracy, balanced_accuracy, confusion_matrix
from fer_au.models.network import FerModel
from fer_au.training.processes import Processes


@dataclass(frozen=True)
class SplitScores:
    """Scores of a model on a split.

    Attributes:
        accuracy: Share of images whose class is right.
        balanced_accuracy: Mean recall over the classes that occur.
        loss: Mean plain cross-entropy.
    """

    accuracy: float
    balanced_accuracy: float
    loss: float


@torch.no_grad()
def score_split(
    model: FerModel,
    loader: BatchLoader,
    preprocessing: Preprocessing,
    precision: Precision,
    batch_size: int,
    processes: Processes,
) -> SplitScores:
    """Score a model on all images of a loader, of which each process takes its part; all get the same scores.

    The model is put into evaluation mode and stays in it.
    """
    model.eval()
    processes.copy_buffers(model)
    count = len(loader.dataset)
    first, last = (count * index // processes.count for index in (processes.index, processes.index + 1))
    logits = [torch.empty(0, len(model.classes))]
    for batch in loader(cut_batches(range(first, last), batch_size)):
        with autocast(processes.device, precision):
            logits.append(model(preprocessing(batch.images.to(processes.device))).logits.float().cpu())
    return summarise(processes.gather(torch.cat(logits)), torch.from_numpy(loader.dataset.labels))


def summarise(logits: Tensor, labels: Tensor) -> SplitScores:
    """Compute the scores of logits (N, C) under labels (N,)."""
    confusion = confusion_matrix(labels.numpy(), logits.argmax(1).numpy(), logits.shape[1])
    return SplitScores(
        accuracy=accuracy(confusion),
        balanced_accuracy=balanced_accuracy(confusion),
        loss=float(functional.cross_entropy(logits, labels)),
    )

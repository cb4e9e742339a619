"""Guidance losses: how far a model's attention maps are from the cue maps of the same images.

Every loss is a pure function of attention, target and a mask of valid samples. It works in float32 whatever it is given
(a bfloat16 cosine is off by up to .007), averages over the valid samples only, and is exactly zero, with a graph,
when no sample of the batch is valid, so that a batch of neutral faces trains on cross-entropy alone.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from fer_au.registry import Registry

EPSILON = 1e-8


class GuidanceLoss(Protocol):
    """The signature of a guidance loss."""

    def __call__(self, attention: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """Compare maps.

        Args:
            attention: (N, h, w) attention maps, any float type.
            target: (N, h, w) cue maps in [0, 1] on the same grid.
            valid: (N,) bool, False where a sample has no cue (neutral, or no landmarks); its maps are never read.

        Returns:
            A float32 scalar, the mean over valid samples.
        """
        ...


LOSSES: Registry[GuidanceLoss] = Registry("guidance loss", "fer_au.losses")


def list_losses() -> list[str]:
    """Names of the guidance losses that an experiment's ``guidance`` entries may use."""
    return LOSSES.names()


def create_loss(name: str) -> GuidanceLoss:
    """The guidance loss of that name.

    Raises:
        UnknownNameError: There is none; the message lists near names.
    """
    return LOSSES.get(name)


@LOSSES.register("cosine")
def cosine_loss(attention: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """One minus the cosine between attention and target: the AU-cue paper's alignment loss (arXiv 2402.00281).

    A map without any signal has no direction: its cosine is 0 and it gets no gradient, where a division by a tiny
    norm would give an enormous one.
    """
    chosen_attention, chosen_target = _valid_rows(attention, target, valid)
    dot = (chosen_attention * chosen_target).sum(dim=1)
    norms = _safe_norm(chosen_attention) * _safe_norm(chosen_target)
    return _mean(1.0 - dot / norms)


def _safe_norm(rows: Tensor) -> Tensor:
    """The norm of each row, 1 for rows that are zero."""
    square = rows.square().sum(dim=1)
    return torch.where(square > EPSILON**2, square, torch.ones_like(square)).sqrt()


def _valid_rows(attention: Tensor, target: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The valid samples' maps as float32 rows; chosen by index, so that a NaN of an invalid sample can't leak."""
    if attention.shape != target.shape:
        raise ValueError(f"attention {tuple(attention.shape)} and target {tuple(target.shape)} are on different grids")
    rows = valid.nonzero().squeeze(1)
    return attention[rows].float().flatten(1), target[rows].float().flatten(1)


def _mean(values: Tensor) -> Tensor:
    return values.sum() / max(len(values), 1)

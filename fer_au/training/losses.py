"""Guidance losses: how far a model's attention maps are from the cue maps of the same images.

Every loss is a pure function of attention, target, a mask of valid samples and, where images were mixed, of how much of
each cell's cue is known. It works in float32 whatever it is given (a bfloat16 cosine is off by up to .007), averages
over the valid samples only, and is exactly zero, with a graph, when no sample of the batch is valid, so that a batch of
neutral faces trains on cross-entropy alone. What is not known plays no part: its attention and its target count as zero
(``kl``: as minus infinity).

What becomes of attention that is signed, by loss:

* ``cosine``, ``l1``, ``l2``: taken as it is, as the AU-cue paper does; a negative value on the cue counts against it.
* ``mass``, ``mass_sum``: negative values hold no mass (rectified); a shift would add mass everywhere.
* ``kl``: any sign, since both maps go through a softmax.
* ``bce``: attention must be a probability, in [0, 1]; what lies outside is clipped. ``UNIT_INTERVAL`` names such
  losses, and ``training.attention`` makes probabilities of other maps.

The target says where to look; for the losses in ``AVOIDING`` it says where not to look.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from fer_au.registry import Registry

EPSILON = 1e-8
_LEAST_PROBABILITY = 1e-6  # keeps a logarithm and its gradient finite

UNIT_INTERVAL = frozenset({"bce"})
AVOIDING = frozenset({"mass", "mass_sum"})


class GuidanceLoss(Protocol):
    """The signature of a guidance loss."""

    def __call__(self, attention: Tensor, target: Tensor, valid: Tensor, known: Tensor | None = None) -> Tensor:
        """Compare maps.

        Args:
            attention: (N, h, w) attention maps, any float type.
            target: (N, h, w) cue maps in [0, 1] on the same grid.
            valid: (N,) bool, False where a sample has no cue (neutral, or no landmarks); its maps are never read.
            known: (N, h, w) in [0, 1], the weight of each cell: how much of it shows a face whose cue is known; None if
                all do.

        Returns:
            A float32 scalar, the mean over valid samples.
        """
        ...


LOSSES: Registry[GuidanceLoss] = Registry("guidance loss", "fer_au.losses")


def list_losses() -> list[str]:
    """Names of the guidance losses that an experiment's ``guidance`` entries may use.

    Example:
        >>> {"bce", "cosine", "mass"} <= set(list_losses())
        True
    """
    return LOSSES.names()


def create_loss(name: str) -> GuidanceLoss:
    """The guidance loss of that name.

    Raises:
        UnknownNameError: There is none; the message lists near names.

    Example:
        >>> import torch
        >>> cue = torch.rand(2, 7, 7)
        >>> round(float(create_loss("cosine")(3 * cue, cue, torch.tensor([True, False]))), 4)
        0.0
    """
    return LOSSES.get(name)


@LOSSES.register("cosine")
def cosine_loss(attention: Tensor, target: Tensor, valid: Tensor, known: Tensor | None = None) -> Tensor:
    """One minus the cosine between attention and target: the AU-cue paper's alignment loss (arXiv 2402.00281).

    A map without any signal has no direction: its cosine is 0 and it gets no gradient, where a division by a tiny
    norm would give an enormous one.
    """
    seen, wanted, weight = _valid_rows(attention, target, valid, known)
    dot = (weight * seen * wanted).sum(dim=1)
    return _mean(1.0 - dot / (_safe_norm(seen, weight) * _safe_norm(wanted, weight)))


@LOSSES.register("bce")
def binary_cross_entropy_loss(attention: Tensor, target: Tensor, valid: Tensor, known: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of each cell, mean over cells: LAN's guidance (Cho and Lee, IEEE Access 2022)."""
    seen, wanted, weight = _valid_rows(attention, target, valid, known)
    seen = seen.clamp(0, 1)
    cells = wanted * _safe_log(seen) + (1 - wanted) * _safe_log(1 - seen)
    return _mean(-_cell_mean(cells, weight))


@LOSSES.register("mass")
def mass_loss(attention: Tensor, target: Tensor, valid: Tensor, known: Tensor | None = None) -> Tensor:
    """The share of positive attention that lies inside the target, in [0, 1]; the target is what to avoid.

    With the background as the target this is the background ratio of the csci5527 project. Unlike ``mass_sum`` it
    depends on neither the scale nor the grid of the map. A map without mass has no share: 0, and no gradient.
    """
    seen, wanted, weight = _valid_rows(attention, target, valid, known)
    mass = weight * seen.relu()
    total = mass.sum(dim=1)
    some = total > EPSILON
    return _mean(torch.where(some, (mass * wanted).sum(dim=1) / torch.where(some, total, 1.0), 0.0))


@LOSSES.register("mass_sum")
def mass_sum_loss(attention: Tensor, target: Tensor, valid: Tensor, known: Tensor | None = None) -> Tensor:
    """The sum of positive attention inside the target: the background penalty of the csci5527 project, literally.

    It grows with the scale and the grid of the map, and a network may lower it by lowering all its attention.
    """
    seen, wanted, weight = _valid_rows(attention, target, valid, known)
    return _mean((weight * seen.relu() * wanted).sum(dim=1))


@LOSSES.register("l1")
def l1_loss(attention: Tensor, target: Tensor, valid: Tensor, known: Tensor | None = None) -> Tensor:
    """Mean absolute difference of the cells, one of the AU-cue paper's alternatives; attention is not scaled."""
    seen, wanted, weight = _valid_rows(attention, target, valid, known)
    return _mean(_cell_mean((seen - wanted).abs(), weight))


@LOSSES.register("l2")
def l2_loss(attention: Tensor, target: Tensor, valid: Tensor, known: Tensor | None = None) -> Tensor:
    """Mean squared difference of the cells, one of the AU-cue paper's alternatives; attention is not scaled."""
    seen, wanted, weight = _valid_rows(attention, target, valid, known)
    return _mean(_cell_mean((seen - wanted).square(), weight))


@LOSSES.register("kl")
def kl_loss(attention: Tensor, target: Tensor, valid: Tensor, known: Tensor | None = None) -> Tensor:
    """Kullback-Leibler divergence of attention from target, after a softmax over the cells of each.

    One of the AU-cue paper's alternatives: sum p log(p / q) with p of the target and q of the attention.
    """
    seen, wanted, weight = _valid_rows(attention, target, valid, known)
    log_weight = weight.log()  # minus infinity where nothing is known
    q, p = (functional.log_softmax(rows + log_weight, dim=1) for rows in (seen, wanted))
    there = weight > 0
    ratio = torch.where(there, p, 0.0) - torch.where(there, q, 0.0)
    return _mean((p.exp() * ratio).sum(dim=1))


def _safe_norm(rows: Tensor, weight: Tensor) -> Tensor:
    """The weighted norm of each row, 1 for rows that are zero."""
    square = (weight * rows.square()).sum(dim=1)
    return torch.where(square > EPSILON**2, square, torch.ones_like(square)).sqrt()


def _safe_log(probability: Tensor) -> Tensor:
    return ((probability + _LEAST_PROBABILITY) / (1 + _LEAST_PROBABILITY)).log()


def _cell_mean(rows: Tensor, weight: Tensor) -> Tensor:
    return (weight * rows).sum(dim=1) / weight.sum(dim=1)


def _valid_rows(
    attention: Tensor, target: Tensor, valid: Tensor, known: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The valid samples' maps and weights as float32 rows.

    They are chosen by index, so that a NaN of an invalid sample can't leak. A sample of which nothing is known is none.
    """
    if attention.shape != target.shape:
        raise ValueError(f"attention {tuple(attention.shape)} and target {tuple(target.shape)} are on different grids")
    weights = torch.ones_like(target, dtype=torch.float32) if known is None else known
    rows = (valid & (weights > 0).flatten(1).any(dim=1)).nonzero().squeeze(1)
    seen, wanted, weight = (maps[rows].float().flatten(1) for maps in (attention, target, weights))
    return seen, wanted, weight


def _mean(values: Tensor) -> Tensor:
    return values.sum() / max(len(values), 1)

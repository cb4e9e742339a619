"""Guidance losses: how far a model's attention maps are from the cue maps of the same images.

Every loss works in float32 whatever it is given (a bfloat16 cosine is off by up to .007), averages over the valid
samples only, and is exactly zero, with a graph, when no sample of the batch is valid, so that a batch of neutral faces
trains on cross-entropy alone. Where images were mixed, cells count by how much of them shows a face whose cue is known;
unknown attention and targets count as zero (``kl``: as minus infinity). The base class does all that; a loss compares
rows of cells with weights.

Attention may be signed. What each loss makes of negative values:

* ``cosine``, ``l1``, ``l2``: taken as they are, as the AU-cue paper does; a negative value on the cue counts against
  it.
* ``mass``, ``mass_sum``: negative values hold no mass (rectified); a shift would add mass everywhere.
* ``kl``: any sign, since both maps go through a softmax.
* ``bce``: attention must be a probability, in [0, 1]; values outside are clipped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from fer_au.errors import ConfigError
from fer_au.registry import Registry

EPSILON = 1e-8
_LEAST_PROBABILITY = 1e-6  # keeps a logarithm and its gradient finite


class GuidanceLoss(ABC):
    """Base of the guidance losses. A subclass defines ``compare``, and registers under a name.

    Attributes:
        unit_interval: Whether attention must lie in [0, 1]; ``training.attention`` then makes probabilities of other
            maps.
        avoids: Whether the target says where *not* to look; it is then the complement of a cue, or a cue to avoid.
    """

    unit_interval: ClassVar[bool] = False
    avoids: ClassVar[bool] = False

    @abstractmethod
    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare some maps, cell by cell.

        Args:
            attention: (n, cells) float32, the attention maps as rows; n may be 0.
            target: (n, cells) float32 in [0, 1], the cue maps on the same grid.
            weight: (n, cells) float32 in [0, 1], 1 for a cell that counts, 0 for one that does not; each row has one
                above 0.

        Returns:
            (n,) distances, differentiable in ``attention``.
        """

    def __call__(self, attention: Tensor, target: Tensor, valid: Tensor, known: Tensor | None = None) -> Tensor:
        """Compute the mean distance of the valid samples.

        Args:
            attention: (N, h, w) attention maps, any float type.
            target: (N, h, w) cue maps in [0, 1] on the same grid.
            valid: (N,) bool, False where a sample has no cue (neutral, or no landmarks); its maps are never read.
            known: (N, h, w) in [0, 1], the weight of each cell: how much of it shows a face whose cue is known; None if
                all do.

        Returns:
            A float32 scalar.

        Raises:
            ValueError: Attention and target are on different grids.
            ConfigError: The loss, another package's, breaks the contract of ``compare``.
        """
        if attention.shape != target.shape:
            shapes = f"attention {tuple(attention.shape)} and target {tuple(target.shape)}"
            raise ValueError(f"{shapes} are on different grids")
        weights = torch.ones_like(target, dtype=torch.float32) if known is None else known
        # Rows are chosen by index, so that a NaN of an invalid sample can't leak. One without known cells is invalid.
        rows = (valid & (weights > 0).flatten(1).any(dim=1)).nonzero().squeeze(1)
        distances = self.compare(*(maps[rows].float().flatten(1) for maps in (attention, target, weights)))
        if distances.shape != rows.shape:
            name = f"{type(self).__module__}.{type(self).__qualname__}"
            shape = tuple(distances.shape)
            raise ConfigError(
                f"{name}: compare gave the shape {shape}, expected one value for each of {len(rows)} rows"
            )
        return distances.sum() / max(len(rows), 1)


LOSSES: Registry[type[GuidanceLoss]] = Registry(
    "guidance loss",
    "fer_au.losses",
    built_in={
        "bce": "fer_au.training.losses",
        "cosine": "fer_au.training.losses",
        "kl": "fer_au.training.losses",
        "l1": "fer_au.training.losses",
        "l2": "fer_au.training.losses",
        "mass": "fer_au.training.losses",
        "mass_sum": "fer_au.training.losses",
    },
    base=GuidanceLoss,
)


def list_losses() -> list[str]:
    """List the names of the guidance losses that an experiment's ``guidance`` entries may use.

    Example:
        >>> {"bce", "cosine", "mass"} <= set(list_losses())
        True
    """
    return LOSSES.names()


def create_loss(name: str) -> GuidanceLoss:
    """Make the guidance loss of a name.

    Raises:
        UnknownNameError: No loss has that name; the message lists near names.

    Example:
        >>> import torch
        >>> cue = torch.rand(2, 7, 7)
        >>> bool(create_loss("cosine")(3 * cue, cue, torch.tensor([True, False])) < 1e-5)
        True
    """
    return LOSSES.get(name)()


@LOSSES.register("cosine")
class CosineLoss(GuidanceLoss):
    """One minus the cosine between attention and target: the AU-cue paper's alignment loss (arXiv 2402.00281).

    A map without any signal has no direction: its cosine is 0 and it gets no gradient, where a division by a tiny
    norm would give an enormous one.
    """

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare directions; see ``GuidanceLoss.compare``."""
        dot = (weight * attention * target).sum(dim=1)
        return 1.0 - dot / (_safe_norm(attention, weight) * _safe_norm(target, weight))


@LOSSES.register("bce")
class BinaryCrossEntropyLoss(GuidanceLoss):
    """Binary cross-entropy of each cell, mean over cells: LAN's guidance (Cho and Lee, IEEE Access 2022)."""

    unit_interval = True

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare probabilities; see ``GuidanceLoss.compare``."""
        seen = attention.clamp(0, 1)
        cells = target * _safe_log(seen) + (1 - target) * _safe_log(1 - seen)
        return -_cell_mean(cells, weight)


@LOSSES.register("mass")
class MassLoss(GuidanceLoss):
    """The share of positive attention that lies inside the target, in [0, 1].

    With the background as the target this is the background ratio of the csci5527 project. Unlike ``mass_sum`` it
    depends on neither the scale nor the grid of the map. A map without mass has no share: 0, and no gradient.
    """

    avoids = True

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Divide the mass inside by the whole; see ``GuidanceLoss.compare``."""
        mass = weight * attention.relu()
        total = mass.sum(dim=1)
        some = total > EPSILON
        return torch.where(some, (mass * target).sum(dim=1) / torch.where(some, total, 1.0), 0.0)


@LOSSES.register("mass_sum")
class MassSumLoss(GuidanceLoss):
    """The sum of positive attention inside the target: the background penalty of the csci5527 project, literally.

    It grows with the scale and the grid of the map, and a network may lower it by lowering all its attention.
    """

    avoids = True

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Sum the mass inside; see ``GuidanceLoss.compare``."""
        return (weight * attention.relu() * target).sum(dim=1)


@LOSSES.register("l1")
class L1Loss(GuidanceLoss):
    """Mean absolute difference of the cells, one of the AU-cue paper's alternatives; attention is not scaled."""

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare values; see ``GuidanceLoss.compare``."""
        return _cell_mean((attention - target).abs(), weight)


@LOSSES.register("l2")
class L2Loss(GuidanceLoss):
    """Mean squared difference of the cells, one of the AU-cue paper's alternatives; attention is not scaled."""

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare values; see ``GuidanceLoss.compare``."""
        return _cell_mean((attention - target).square(), weight)


@LOSSES.register("kl")
class KLLoss(GuidanceLoss):
    """Kullback-Leibler divergence of attention from target, after a softmax over the cells of each.

    One of the AU-cue paper's alternatives: sum p log(p / q) with p of the target and q of the attention.
    """

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare distributions over the cells; see ``GuidanceLoss.compare``."""
        log_weight = weight.log()  # minus infinity where nothing is known
        q, p = (functional.log_softmax(rows + log_weight, dim=1) for rows in (attention, target))
        there = weight > 0
        ratio = torch.where(there, p, 0.0) - torch.where(there, q, 0.0)
        return (p.exp() * ratio).sum(dim=1)


def _safe_norm(rows: Tensor, weight: Tensor) -> Tensor:
    """Compute the weighted norm of each row, 1 for rows that are zero."""
    square = (weight * rows.square()).sum(dim=1)
    return torch.where(square > EPSILON**2, square, torch.ones_like(square)).sqrt()


def _safe_log(probability: Tensor) -> Tensor:
    return ((probability + _LEAST_PROBABILITY) / (1 + _LEAST_PROBABILITY)).log()


def _cell_mean(rows: Tensor, weight: Tensor) -> Tensor:
    return (weight * rows).sum(dim=1) / weight.sum(dim=1)

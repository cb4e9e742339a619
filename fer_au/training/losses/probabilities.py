"""Losses that compare maps as probabilities: ``bce``, ``kl``, ``kl_cells``."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fer_au.training.losses.arithmetic import cell_mean, safe_log
from fer_au.training.losses.base import LOSSES, GuidanceLoss


@LOSSES.register("bce")
class BinaryCrossEntropyLoss(GuidanceLoss):
    """Binary cross-entropy of each cell, mean over cells: LAN's guidance (Cho and Lee, IEEE Access 2022)."""

    unit_interval = True

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare probabilities; see ``GuidanceLoss.compare``."""
        seen = attention.clamp(0, 1)
        cells = target * safe_log(seen) + (1 - target) * safe_log(1 - seen)
        return -cell_mean(cells, weight)


@LOSSES.register("kl")
class KLLoss(GuidanceLoss):
    """Kullback-Leibler divergence of attention from target, after a softmax over the cells of each.

    Both maps become distributions over the cells: sum p log(p / q) with p of the target and q of the attention. The
    AU-cue paper's code compares otherwise, see ``kl_cells``.
    """

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare distributions over the cells; see ``GuidanceLoss.compare``."""
        log_weight = weight.log()  # minus infinity where nothing is known
        q, p = (functional.log_softmax(rows + log_weight, dim=1) for rows in (attention, target))
        there = weight > 0
        ratio = torch.where(there, p, 0.0) - torch.where(there, q, 0.0)
        return (p.exp() * ratio).sum(dim=1)


@LOSSES.register("kl_cells")
class CellwiseKLLoss(GuidanceLoss):
    """Kullback-Leibler divergence cell by cell, mean over cells: the AU-cue paper's alternative, as its code has it.

    Attention goes through a softmax over the cells, the target does not; each cell is then one Bernoulli variable,
    p log(p / q) + (1 - p) log((1 - p) / (1 - q)) with p of the target and q of the attention. The softmax sums to 1
    and the target doesn't, so the divergence never reaches 0.
    """

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare cells; see ``GuidanceLoss.compare``."""
        q = functional.softmax(attention + weight.log(), dim=1)
        gain = target * (safe_log(target) - safe_log(q))
        rest = (1 - target) * (safe_log(1 - target) - safe_log(1 - q))
        return cell_mean(gain + rest, weight)

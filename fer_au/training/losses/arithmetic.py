"""Arithmetic on rows of map cells that the guidance losses share."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-8
"""Norm or mass below which a map counts as without signal."""

_LEAST_PROBABILITY = 1e-6  # keeps a logarithm and its gradient finite


def safe_norm(rows: Tensor, weight: Tensor) -> Tensor:
    """Compute the weighted norm of each row, 1 for rows that are zero."""
    square = (weight * rows.square()).sum(dim=1)
    return torch.where(square > EPSILON**2, square, torch.ones_like(square)).sqrt()


def safe_log(probability: Tensor) -> Tensor:
    """Compute the logarithm of probabilities that may be 0; it and its gradient stay finite."""
    return ((probability + _LEAST_PROBABILITY) / (1 + _LEAST_PROBABILITY)).log()


def cell_mean(rows: Tensor, weight: Tensor) -> Tensor:
    """Compute the weighted mean of each row's cells."""
    return (weight * rows).sum(dim=1) / weight.sum(dim=1)

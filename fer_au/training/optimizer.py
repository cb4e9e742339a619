"""Optimisers, learning-rate schedules, and the moving average of weights.

Schedules are pure functions of time and history, so that a resumed run needs no scheduler state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from fer_au.config.experiments import OptimizerConfig, ScheduleConfig
from fer_au.models.network import FerModel


def create_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Create the configured optimiser over all parameters that require a gradient.

    The weight decay of ``adamw`` is decoupled from the gradient; that of ``sgd`` and ``adam`` is added to it. Fused
    optimisers would be faster, but a training resumed with one did not end in the same bits.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if config.name == "adamw":
        return torch.optim.AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay)
    if config.name == "adam":
        return torch.optim.Adam(parameters, lr=config.lr, weight_decay=config.weight_decay)
    return torch.optim.SGD(
        parameters,
        lr=config.lr,
        momentum=config.momentum,
        nesterov=config.nesterov and config.momentum > 0,
        weight_decay=config.weight_decay,
    )


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def lr_factor(config: ScheduleConfig, time: float, epochs: int, losses: Sequence[float] = ()) -> float:
    """Compute the factor on the base learning rate.

    Args:
        config: Kind of schedule and its warm-up.
        time: Epochs done at the middle of the step, in (0, epochs): neither the first nor the last step has a rate of
            0.
        epochs: Length of the training.
        losses: The selection split's loss after each epoch so far; only ``plateau`` looks at them.

    Returns:
        Linear from 0 to 1 over ``warmup_epochs``; after that 1 (``constant``), ``gamma`` per ``step_epochs``
        (``step``), ``gamma`` per plateau so far (``plateau``), or the half cosine from 1 to 0 over the rest
        (``cosine``).
    """
    if time < config.warmup_epochs:
        return time / config.warmup_epochs
    if config.name == "constant":
        return 1.0
    if config.name == "step":
        return float(config.gamma ** (int(time) // config.step_epochs))
    if config.name == "plateau":
        return float(config.gamma ** count_plateaus(losses, config.patience))
    share = (time - config.warmup_epochs) / (epochs - config.warmup_epochs)
    return 0.5 * (1 + math.cos(math.pi * share))


def count_plateaus(losses: Sequence[float], patience: int) -> int:
    """Count how often a loss has stayed above its lowest value for ``patience`` epochs; each time it starts anew."""
    plateaus = waited = 0
    lowest = math.inf
    for loss in losses:
        waited = 0 if loss < lowest else waited + 1
        lowest = min(lowest, loss)
        if waited == patience:
            plateaus, waited = plateaus + 1, 0
    return plateaus


def largest_decay(updates: int) -> float:
    """Compute the most that a moving average keeps of itself in a training: its first steps would else weigh too much.

    Args:
        updates: Number of updates, or of the update.

    Example:
        >>> largest_decay(90)
        0.91
    """
    return (1 + updates) / (10 + updates)


def average_of(model: FerModel, decay: float) -> AveragedModel:
    """Start the exponential moving average of a model's weights and statistics.

    Args:
        model: The model that trains.
        decay: Share of the average that each step keeps; lower in the first steps, see ``largest_decay``.

    Returns:
        The average as a copy of the model, in its ``module``; ``update_parameters`` takes in the weights after a step.
    """

    def take_in(averages: Sequence[Tensor], values: Sequence[Tensor], steps: Tensor | int) -> None:
        share = 1 - min(decay, largest_decay(int(steps)))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, share)
            else:
                average.copy_(value)

    average = AveragedModel(model, multi_avg_fn=take_in, use_buffers=True)
    average.n_averaged.fill_(1)  # else its first step would forget the weights that training starts from
    return average.eval().requires_grad_(False)

"""Optimisers and the moving average of weights."""

from __future__ import annotations

import copy

import torch
from torch import nn

from fer_au.config.experiments import OptimizerConfig
from fer_au.models.network import FerModel


def create_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """The configured optimiser over all parameters that are trained.

    The weight decay of ``adamw`` is decoupled from the gradient; that of ``sgd`` and ``adam`` is added to it.
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


class WeightAverage:
    """Exponential moving average of a model's weights and statistics.

    Args:
        model: The model that trains.
        decay: Share of the average that each step keeps; lower in the first steps, which would else weigh too much.

    Attributes:
        model: A copy that holds the average.
    """

    def __init__(self, model: FerModel, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: FerModel, steps: int) -> None:
        """Take in the weights after a number of steps in all."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        for average, value in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if average.is_floating_point():
                average.lerp_(value.to(average), 1 - decay)
            else:
                average.copy_(value)

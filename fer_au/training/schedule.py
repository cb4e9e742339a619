"""Learning-rate schedules as pure functions of time and history, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fer_au.config.experiments import ScheduleConfig


def lr_factor(config: ScheduleConfig, time: float, epochs: int, losses: Sequence[float] = ()) -> float:
    """What the base learning rate is multiplied by.

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
    """How often a loss has stayed above its lowest value for ``patience`` epochs; each time the count starts anew."""
    plateaus = waited = 0
    lowest = math.inf
    for loss in losses:
        waited = 0 if loss < lowest else waited + 1
        lowest = min(lowest, loss)
        if waited == patience:
            plateaus, waited = plateaus + 1, 0
    return plateaus

"""Learning-rate schedules as pure functions of training time, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math

from fer_au.config.experiments import ScheduleConfig


def lr_factor(config: ScheduleConfig, time: float, epochs: int) -> float:
    """What the base learning rate is multiplied by.

    Args:
        config: Kind of schedule and its warm-up.
        time: Epochs done at the middle of the step, in (0, epochs): neither the first nor the last step has a rate of
            0.
        epochs: Length of the training.

    Returns:
        Linear from 0 to 1 over ``warmup_epochs``; after that 1 (``constant``), ``gamma`` per ``step_epochs``
        (``step``), or the half cosine from 1 to 0 over the rest (``cosine``).
    """
    if time < config.warmup_epochs:
        return time / config.warmup_epochs
    if config.name == "constant":
        return 1.0
    if config.name == "step":
        return float(config.gamma ** (int(time) // config.step_epochs))
    share = (time - config.warmup_epochs) / (epochs - config.warmup_epochs)
    return 0.5 * (1 + math.cos(math.pi * share))

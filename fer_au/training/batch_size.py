"""Whether a network can train on batches of the size that was asked for."""

from __future__ import annotations

import copy

import torch

from fer_au.config.experiments import TrainConfig
from fer_au.errors import ConfigError
from fer_au.models.freezing import phase_at, set_trainable
from fer_au.models.network import FerModel


def check_batch_size(config: TrainConfig, model: FerModel) -> None:
    """Check that a model can train on single images if it gets them: batch statistics of one value don't exist.

    Raises:
        ConfigError: ``train.batch_size`` is 1 and the model normalises a map of 1 x 1 over the batch.
    """
    if config.batch_size > 1:
        return  # `cut_batches` leaves no image alone
    twin = copy.deepcopy(model)
    set_trainable(twin, phase_at(config.freeze, config.epochs - 1))
    weight = next(twin.parameters())
    shape = (1, model.views * model.config.channels, config.image_size, config.image_size)
    image = torch.zeros(shape, device=weight.device, dtype=weight.dtype)
    label = torch.zeros(1, dtype=torch.int64, device=weight.device)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            twin.train()(image, label)
        except ValueError as error:
            if not str(error).startswith("Expected more than 1 value per channel"):
                raise
            raise ConfigError(
                f"train.batch_size: 1 is too few for backbone {model.config.backbone!r} at {config.image_size} px: "
                "it normalises over the batch where an image has one value per channel; take 2 or more"
            ) from error

"""Replace trained weights by fresh ones, from the scores down to the picture (Adebayo et al., NeurIPS 2018)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from fer_au.evaluation.audit_metrics import STEPS
from fer_au.models.network import FerModel, build_model


def fresh_network(model: FerModel, seed: int) -> FerModel:
    """Build the same network with fresh weights, in evaluation mode and on the same device.

    Fresh are the weights that training would start from without pretrained ones, and the counts of batch norms.

    Raises:
        ConfigError: The network was made elsewhere, and can't be built.
    """
    fresh = build_model(model.config, model.classes, seed=seed).eval()
    return fresh.to(next(model.parameters()).device).to(memory_format=torch.channels_last)


def randomised_states(trained: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Mix the weights of a trained network with fresh ones, more of them in each step.

    Step 1 takes the head's fresh ones; steps 2 to 5 also those of the last quarter, half, three quarters and all of the
    backbone's layers, in the order in which the network lists them. A layer goes as a whole, with its statistics.

    Args:
        trained: State of the trained network.
        fresh: State of the same network with fresh weights.

    Returns:
        States of the steps; the last holds no trained weight.
    """
    layers = dict.fromkeys(key.rpartition(".")[0] for key in trained)
    trunks: dict[str, list[str]] = {}
    for layer in reversed(layers):
        trunks.setdefault(layer.partition(".")[0], []).append(layer)
    head = trunks.pop("head", [])
    states = []
    for step in range(STEPS):
        taken = set(head)
        for own in trunks.values():  # a network of two views may have two backbones
            taken |= set(own[: math.ceil(step / (STEPS - 1) * len(own))])
        states.append({key: (fresh if key.rpartition(".")[0] in taken else trained)[key] for key in trained})
    return states

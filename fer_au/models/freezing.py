"""Frozen layers: train the head first, then the upper layers of a backbone, then everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from fer_au.config.experiments import FreezeConfig
from fer_au.errors import ConfigError
from fer_au.models.backbones import Backbone
from fer_au.models.network import FerModel, evaluating
from fer_au.models.parts import Trunk

_NET_PROBE = 64  # pixels; the convolutions of whole networks take any size


def phase_at(freeze: Sequence[FreezeConfig], epoch: int) -> int | None:
    """What ``train.freeze`` says for an epoch (0-based).

    Returns:
        How many of the backbone's last layers train with the head; None once everything trains.
    """
    end = 0
    for phase in freeze:
        end += phase.epochs
        if epoch < end:
            return phase.layers
    return None


def check_phases(freeze: Sequence[FreezeConfig], model: FerModel) -> None:
    """Check ``train.freeze`` against a model, before the training.

    Raises:
        ConfigError: A phase trains more layers than there are.
    """
    for phase in freeze:
        if phase.layers > len(model.layers):
            raise ConfigError(
                f"train.freeze: layers: {phase.layers} is more than the {len(model.layers)} "
                f"of backbone {model.config.backbone!r}"
            )


def set_trainable(model: FerModel, layers: int | None) -> None:
    """Let the head and the last layers of the backbone train, and freeze what lies below.

    A frozen parameter has ``requires_grad`` False and no gradient. The batch norms of frozen layers keep their
    statistics: ``FerModel.train`` leaves them in evaluation mode. What a backbone does after its last layer, such as a
    transformer's final norm, belongs to that layer.

    Args:
        model: The classifier itself, not a DDP wrapper; wrap it anew afterwards.
        layers: How many of the last layers train; 0 for the head alone, None for everything.
    """
    model.requires_grad_(True)
    if layers is not None:
        for backbone in (model.backbone, model.context_backbone):
            if isinstance(backbone, Trunk):
                upper = set(backbone.layers[len(backbone.layers) - layers :] if layers else ())
                owners = _parameter_layers(backbone, model.config.in_chans)
                for name, parameter in backbone.named_parameters():
                    if owners.get(name) not in upper:
                        parameter.requires_grad_(False)
                        parameter.grad = None
    model.train(model.training)


def _parameter_layers(backbone: Trunk, in_chans: int) -> dict[str, str]:
    """The layer of every parameter, by name: the first that depends on it; left out where none does.

    Found in the graph that autograd records of one image, so that it holds for any architecture. Nothing may be frozen.
    """
    names = {id(parameter): name for name, parameter in backbone.named_parameters()}
    weight = next(backbone.parameters())
    probe = torch.zeros(1, in_chans, *_image_size(backbone), device=weight.device, dtype=weight.dtype)
    with evaluating(backbone), torch.enable_grad():
        trunk = backbone(probe)
    owners: dict[str, str] = {}
    seen: set[object] = set()
    for layer, maps in [*trunk.features.items(), (backbone.layers[-1], trunk.final)]:
        for parameter in _leaves(maps, seen):
            owners[names[id(parameter)]] = layer
    return owners


def _image_size(backbone: Trunk) -> tuple[int, int]:
    if not isinstance(backbone, Backbone):
        return _NET_PROBE, _NET_PROBE
    _, rows, columns = backbone.network.default_cfg["input_size"]
    return rows, columns


def _leaves(output: Tensor, seen: set[object]) -> Iterator[Tensor]:
    """Parameters that a tensor depends on by way of nodes not seen yet."""
    stack: list[Any] = [output.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        stack.extend(following for following, _ in node.next_functions)

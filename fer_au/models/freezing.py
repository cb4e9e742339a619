"""Frozen layers: train the head first, then the upper layers of a backbone, then everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from fer_au.config.experiments import FreezeConfig
from fer_au.config.unread import no_effect
from fer_au.errors import ConfigError
from fer_au.models.backbones import Backbone
from fer_au.models.external import ExternalTrunk
from fer_au.models.network import FerModel, evaluating
from fer_au.models.parts import Trunk

_NET_PROBE = 64  # pixels; the convolutions of whole networks take any size


def phase_at(freeze: Sequence[FreezeConfig], epoch: int) -> int | None:
    """Find how many of the backbone's last layers train in an epoch.

    Args:
        freeze: Phases of ``train.freeze``, in order.
        epoch: Number of the epoch, counted from 0.

    Returns:
        Number of layers that train with the head; None once everything trains.
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
        ConfigError: A phase trains more layers than the backbone has, or all of them.
    """
    for phase in freeze:
        if phase.layers == len(model.layers):
            why = f"{phase.layers} layers are all of backbone {model.config.backbone!r}, so that none is frozen"
            raise ConfigError(f"train.freeze: layers: {no_effect(why)}")
        if phase.layers > len(model.layers):
            raise ConfigError(
                f"train.freeze: layers: {phase.layers} is more than the {len(model.layers)} "
                f"of backbone {model.config.backbone!r}"
            )


def set_trainable(model: FerModel, layers: int | None) -> None:
    """Let the head and the last layers of the backbone train, and freeze the layers below.

    The head of an external network is what lies behind its last named layer; what was frozen there from the beginning
    stays so.

    A frozen parameter has ``requires_grad`` False and no gradient. The batch norms of frozen layers keep their
    statistics: ``FerModel.train`` leaves them in evaluation mode. Parameters after a backbone's last layer, such as a
    transformer's final norm, belong to that layer.

    Args:
        model: Classifier itself, not a DDP wrapper; wrap it anew afterwards.
        layers: Number of the last layers that train; 0 for the head alone, None for everything.

    Raises:
        ConfigError: Nothing would train.
    """
    model.requires_grad_(True)
    if layers is not None:
        for backbone in (model.backbone, model.context_backbone):
            if isinstance(backbone, Trunk):
                upper = set(backbone.layers[len(backbone.layers) - layers :] if layers else ())
                owners = _parameter_layers(backbone, model.config.channels)
                own_head = {None} if isinstance(backbone, ExternalTrunk) else set()  # lies behind its last layer
                for name, parameter in backbone.named_parameters():
                    if owners.get(name) not in upper | own_head:
                        parameter.requires_grad_(False)
                        parameter.grad = None
    if isinstance(model.backbone, ExternalTrunk):
        model.backbone.freeze_again()
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(
            f"train.freeze: layers: {layers} leaves nothing that trains: no parameter lies behind the last layer"
        )
    model.train(model.training)


def _parameter_layers(backbone: Trunk, in_chans: int) -> dict[str, str]:
    """Find the first layer that depends on each parameter, in the graph that autograd records of one image.

    This holds for any architecture. Nothing may be frozen before.

    Returns:
        Parameter -> layer, by name; parameters without such a layer are left out.
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
            if id(parameter) in names:
                owners[names[id(parameter)]] = layer
    return owners


def _image_size(backbone: Trunk) -> tuple[int, int]:
    if isinstance(backbone, ExternalTrunk):
        return backbone.image_size, backbone.image_size
    if not isinstance(backbone, Backbone):
        return _NET_PROBE, _NET_PROBE
    _, rows, columns = backbone.network.default_cfg["input_size"]
    return rows, columns


def _leaves(output: Tensor, seen: set[object]) -> Iterator[Tensor]:
    """Yield the parameters that a tensor depends on, by way of graph nodes not seen yet."""
    stack: list[Any] = [output.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        stack.extend(following for following, _ in node.next_functions)

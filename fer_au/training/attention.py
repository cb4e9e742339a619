"""A model's attention maps, by the ``source`` of a guidance entry.

* ``features``: the channel mean of each of some feature layers, as in the AU-cue paper.
* ``cam``: the head's native map of the true class; of mixed images, the classes' maps weighted by their shares.
* ``module``: the head's own attention map.

A loss that compares probabilities (``GuidanceLoss.unit_interval``) gets them so: class maps are evidence and go through
a sigmoid; a module's map is taken as it is if it lies in [0, 1], as a sigmoid's does; channel means, and other modules'
maps, have no scale of their own, so each map is stretched by its own minimum and maximum to [.01, .99], which keeps
gradients bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fer_au.config.experiments import GuidanceConfig
from fer_au.errors import ConfigError
from fer_au.maps import channel_mean, min_max
from fer_au.models.network import FerModel, ModelOutput, evaluating
from fer_au.training.losses import GuidanceLoss

_LEAST = 0.01  # least value of a stretched map; its greatest is 1 minus that


@dataclass(frozen=True)
class AttentionSource:
    """The part of a model from which one guidance entry takes attention.

    Attributes:
        kind: ``features``, ``cam`` or ``module``.
        layers: Feature layers; empty unless the kind is ``features``.
        squash: Way to make probabilities of maps: ``sigmoid``, ``stretch``, or None to leave them as they are.
    """

    kind: Literal["features", "cam", "module"]
    layers: tuple[str, ...] = ()
    squash: Literal["sigmoid", "stretch"] | None = None

    def maps(self, output: ModelOutput, cam: Tensor | None) -> list[Tensor]:
        """Take the attention maps of a batch.

        Args:
            output: Output of the model.
            cam: (N, h, w) maps from ``true_class_maps``; only read if the kind is ``cam``.

        Returns:
            (N, h, w) float32, one per layer.
        """
        if self.kind == "features":
            maps = [channel_mean(output.features[layer]) for layer in self.layers]
        else:
            own = cam if self.kind == "cam" else output.attention
            if own is None:
                raise ValueError(f"attention of source {self.kind!r} is not there")
            maps = [own]
        with torch.autocast(output.logits.device.type, enabled=False):
            return [self._squashed(attention.float()) for attention in maps]

    def _squashed(self, maps: Tensor) -> Tensor:
        if self.squash == "sigmoid":
            return maps.sigmoid()
        return _LEAST + (1 - 2 * _LEAST) * min_max(maps) if self.squash == "stretch" else maps


def true_class_maps(maps: Tensor, shares: Tensor) -> Tensor:
    """Take the class maps of the images' own classes, (N, h, w) float32, differentiable.

    Args:
        maps: (N, classes, h, w) native maps of a model.
        shares: (N, classes) shares of the classes in each image.
    """
    with torch.autocast(maps.device.type, enabled=False):
        return torch.einsum("nchw,nc->nhw", maps.float(), shares.to(maps.device, torch.float32))


def resolve_source(
    entry: GuidanceConfig, loss: GuidanceLoss, model: FerModel, image_size: int, where: str
) -> AttentionSource:
    """Find a model's attention for a guidance entry; one forward pass tells whether the head has a map.

    Args:
        entry: The entry.
        loss: The entry's loss, which may want probabilities.
        model: The model.
        image_size: Side of the model's input, pixels.
        where: Key of the entry, used in messages.

    Raises:
        ConfigError: A layer that the model doesn't have, source ``module`` with a head that has no attention map, or
            maps of a single cell.
    """
    bounded = loss.unit_interval
    if entry.source == "features":
        layers = model.resolve_layers(entry.layers)
        output = _probe(model, image_size)
        _check_grid([output.features[layer] for layer in layers], f"{where}.layers: {' and '.join(layers)}", image_size)
        return AttentionSource("features", layers, "stretch" if bounded else None)
    output = _probe(model, image_size)
    if entry.source == "cam":
        _check_grid([output.final], f"{where}.source: the class map", image_size)
        return AttentionSource("cam", squash="sigmoid" if bounded else None)
    if output.attention is None:
        name = model.config.head or model.config.backbone
        raise ConfigError(f"{where}.source: {name!r} has no attention map of its own; use features or cam")
    _check_grid([output.attention], f"{where}.source: the head's map", image_size)
    inside = bool(((output.attention >= 0) & (output.attention <= 1)).all())
    return AttentionSource("module", squash="stretch" if bounded and not inside else None)


def _check_grid(maps: Sequence[Tensor], what: str, image_size: int) -> None:
    """Refuse maps of one cell: every cue is the same on them, and no loss can move them.

    Raises:
        ConfigError: All of them have one cell.
    """
    if all(one.shape[-2:].numel() == 1 for one in maps):
        raise ConfigError(
            f"{what} is a single cell at {image_size} px, which no cue can guide; take a larger train.image_size, "
            "a smaller model.output_stride, or an earlier layer"
        )


def _probe(model: FerModel, image_size: int) -> ModelOutput:
    """Compute the output for one grey image."""
    weight = next(model.parameters())
    shape: Sequence[int] = (1, model.views * model.config.in_chans, image_size, image_size)
    with evaluating(model), torch.no_grad():
        output: ModelOutput = model(torch.zeros(shape, device=weight.device, dtype=weight.dtype))
    return output

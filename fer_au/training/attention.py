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

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from fer_au.config.experiments import GuidanceConfig
from fer_au.errors import ConfigError
from fer_au.glossary import TOO_COARSE
from fer_au.maps import channel_mean, min_max
from fer_au.models.network import FerModel, ModelOutput, evaluating
from fer_au.resizing import resize_maps
from fer_au.training.losses.base import GuidanceLoss

Squash = Literal["sigmoid", "stretch"]
"""Ways to make probabilities of maps."""

FEWEST_CELLS = 4
"""Rows and columns below which a map is too coarse for a cue: one spot covers the brows, or the mouth and the chin."""

_LEAST = 0.01  # least value of a stretched map; its greatest is 1 minus that


@dataclass(frozen=True)
class AttentionSource:
    """The part of a model from which one guidance entry takes attention.

    Attributes:
        kind: ``features``, ``cam`` or ``module``.
        layers: Feature layers; empty unless the kind is ``features``.
        grids: Rows and columns of each map.
        squash: Way to make probabilities of maps: ``sigmoid``, ``stretch``, or None to leave them as they are.
    """

    kind: Literal["features", "cam", "module"]
    layers: tuple[str, ...] = ()
    grids: tuple[tuple[int, int], ...] = ()
    squash: Squash | None = None

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
        return [squash_map(attention, self.squash) for attention in maps]


def squash_map(attention: Tensor, way: Squash | None) -> Tensor:
    """Bring an attention map (N, h, w) to float32, and to probabilities where a loss wants them; differentiable."""
    with torch.autocast(attention.device.type, enabled=False):
        maps = attention.float()
        if way == "sigmoid":
            return maps.sigmoid()
        return _LEAST + (1 - 2 * _LEAST) * min_max(maps) if way == "stretch" else maps


def true_class_maps(maps: Tensor, shares: Tensor) -> Tensor:
    """Take the class maps of the images' own classes, (N, h, w) float32, differentiable.

    Args:
        maps: (N, classes, h, w) native maps of a model.
        shares: (N, classes) shares of the classes in each image.
    """
    with torch.autocast(maps.device.type, enabled=False):
        return torch.einsum("nchw,nc->nhw", maps.float(), shares.to(maps.device, torch.float32))


def resolve_source(
    entry: GuidanceConfig, loss: type[GuidanceLoss], model: FerModel, image_size: int, where: str
) -> AttentionSource:
    """Find a model's attention for a guidance entry; one forward pass tells whether the head has a map.

    Args:
        entry: The entry.
        loss: Class of the entry's loss, which may want probabilities.
        model: The model.
        image_size: Side of the model's input, pixels.
        where: Key of the entry, used in messages.

    Raises:
        ConfigError: A layer that the model doesn't have, source ``module`` with a head that has no attention map, or
            a map of a single cell.
    """
    bounded = loss.unit_interval
    if entry.source == "features":
        layers = model.resolve_layers(entry.layers)
        output = _probe(model, image_size)
        grids = tuple(_grid(output.features[layer], f"{where}.layers: {layer}", image_size) for layer in layers)
        return AttentionSource("features", layers, grids, "stretch" if bounded else None)
    output = _probe(model, image_size)
    if entry.source == "cam":
        if model.scores_itself:
            raise ConfigError(f"{where}.source: an external model has no class map of its own; use features")
        grid = _grid(output.final, f"{where}.source: the class map", image_size)
        return AttentionSource("cam", grids=(grid,), squash="sigmoid" if bounded else None)
    if output.attention is None:
        name = model.config.head or model.config.backbone
        raise ConfigError(f"{where}.source: {name!r} has no attention map of its own; use features or cam")
    grid = _grid(output.attention, f"{where}.source: the head's map", image_size)
    inside = bool(((output.attention >= 0) & (output.attention <= 1)).all())
    return AttentionSource("module", grids=(grid,), squash="stretch" if bounded and not inside else None)


def _grid(maps: Tensor, what: str, image_size: int) -> tuple[int, int]:
    """Give rows and columns of a map; refuse one of one cell: every cue is the same there, and no loss can move it.

    Raises:
        ConfigError: It has one cell.
    """
    rows, columns = int(maps.shape[-2]), int(maps.shape[-1])
    if rows * columns == 1:
        raise ConfigError(
            f"{what} is a single cell at {image_size} px, which no cue can guide; take a larger train.image_size, "
            "a smaller model.output_stride, or an earlier layer"
        )
    return rows, columns


def coarse_lines(source: AttentionSource, cues: Tensor | None) -> list[str]:
    """Say which maps of a source are too coarse for a cue, and what a perfect map of that grid would score.

    Args:
        source: The source.
        cues: (N, S, S) maps of the cue, of some faces; None where they are not known yet.
    """
    names = source.layers or ("the class map" if source.kind == "cam" else "the head's map",)
    lines = []
    for name, grid in zip(names, source.grids, strict=True):
        if min(grid) >= FEWEST_CELLS:
            continue
        score = _ceiling(cues, grid) if cues is not None else math.nan
        ceiling = (
            f": a perfect map of this grid has a cosine of about {score:.2f} with the cue" if score == score else ""
        )
        lines.append(f"{name} has {grid[0]}x{grid[1]} cells, {TOO_COARSE}{ceiling}")
    return lines


def _ceiling(cues: Tensor, grid: tuple[int, int]) -> float:
    """Compute the mean cosine of maps (N, S, S) with themselves through a grid; those that are 0 don't count."""
    cues = cues[(cues > 0).flatten(1).any(dim=1)].float()
    through = resize_maps(resize_maps(cues, grid), (cues.shape[1], cues.shape[2]))
    return float(functional.cosine_similarity(cues.flatten(1), through.flatten(1)).mean())


def _probe(model: FerModel, image_size: int) -> ModelOutput:
    """Compute the output for one grey image."""
    weight = next(model.parameters())
    shape: Sequence[int] = (1, model.views * model.config.channels, image_size, image_size)
    with evaluating(model), torch.no_grad():
        output: ModelOutput = model(torch.zeros(shape, device=weight.device, dtype=weight.dtype))
    return output

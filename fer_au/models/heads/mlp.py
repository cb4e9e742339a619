"""Head ``mlp``: pooled or flattened features and fully connected layers, the classifier of the whole networks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_au.models.heads.base import HEADS
from fer_au.models.options import choice, count, counts, flag, number
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


@HEADS.register("mlp")
class MlpHead(Head):
    """A multilayer perceptron on the pooled features.

    A ReLU network is linear around each input. Its class maps are that linear function at this image, spread over the
    positions it reads: their spatial mean plus the function's own bias equals the logits, exactly, in evaluation mode.
    In training they leave dropout out and take the batch's statistics as constants.

    Args:
        channels: Channels of the trunk's final map.
        classes: Number of classes.
        hidden: Widths of the hidden layers.
        dropout: Share of the inputs of each linear layer that training drops; one number for all, or one per layer,
            the last layer included.
        batch_norm: Normalise each hidden layer before its ReLU.
        max_pool: Reduce the map by 2 x 2 max pooling first.
        grid: Flatten the map, which then must have so many rows and columns; None reduces its positions to one.
        pooling: How they are reduced: ``mean`` or ``max``.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        hidden: Sequence[int] = (512,),
        dropout: float | Sequence[float] = 0.5,
        batch_norm: bool = False,
        max_pool: bool = False,
        grid: int | None = None,
        pooling: str = "mean",
    ) -> None:
        super().__init__(channels, classes)
        widths = [channels * (1 if grid is None else count("grid", grid)) ** 2, *counts("hidden", hidden), classes]
        rates: list[Any] = [*dropout] if isinstance(dropout, list | tuple) else [dropout] * (len(widths) - 1)
        if len(rates) != len(widths) - 1:
            raise ValueError(f"dropout must be one share, or one of each of {len(widths) - 1} linear layers")
        self.dropout = tuple(number("dropout", rate, 0, 1) for rate in rates)
        self.max_pool = flag("max_pool", max_pool)
        self.grid = grid
        self.pooling = choice("pooling", pooling, ("mean", "max"))
        if grid is not None and pooling != "mean":
            raise ValueError("pooling and grid exclude each other: a map that is flattened keeps its positions")
        self.linears = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        batch_norm = flag("batch_norm", batch_norm)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) if batch_norm else nn.Identity() for width in hidden)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; this head has no attention map of its own.

        Raises:
            ValueError: A map of another size than ``grid``.
        """
        with torch.autocast(trunk.final.device.type, enabled=False):
            final = trunk.final.float()
            x = self._vector(functional.max_pool2d(final, 2) if self.max_pool else final)
            for linear, norm, rate in zip(self.linears, self.norms, self.dropout, strict=False):
                x = norm(linear(functional.dropout(x, rate, self.training))).relu()
            return HeadOutput(self.linears[-1](functional.dropout(x, self.dropout[-1], self.training)))

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """The local linear function of each class, times the features: see the class."""
        with torch.autocast(trunk.final.device.type, enabled=False):
            final = read = pooled = trunk.final.float()
            if self.max_pool:
                pooled, winners = functional.max_pool2d(final, 2, return_indices=True)
                read = functional.max_unpool2d(pooled, winners, [2, 2], output_size=list(final.shape))
            weights = self._local_weights(self._vector(pooled))
            if self.grid is None:
                largest = self.pooling == "max"
                maps = torch.einsum("nkc,nchw->nkhw", weights, _largest_alone(read) if largest else read)
                maps = maps / (1 if largest else pooled[0, 0].numel())
            else:
                maps = _spread(weights.reshape(*weights.shape[:2], *pooled.shape[1:]), read, 2 if self.max_pool else 1)
            return maps * final[0, 0].numel()

    def _vector(self, pooled: Tensor) -> Tensor:
        if self.grid is None:
            return pooled.amax((2, 3)) if self.pooling == "max" else pooled.mean((2, 3))
        rows, columns = pooled.shape[2:]
        if (rows, columns) != (self.grid, self.grid):
            raise ValueError(f"its classifier needs a {self.grid} x {self.grid} map, not {rows} x {columns}")
        return pooled.flatten(1)

    def _local_weights(self, x: Tensor) -> Tensor:
        """(N, classes, inputs): the gradient of each logit by the pooled features, in closed form."""
        gates = []
        for linear, norm in zip(self.linears, self.norms, strict=False):
            y = linear(x)
            scale = torch.ones_like(y[0])
            if isinstance(norm, nn.BatchNorm1d):
                scale, shift = _affine(norm, y.detach())
                y = y * scale + shift
            gates.append((y > 0) * scale)
            x = y.relu()
        last = cast(Tensor, self.linears[-1].weight)
        weights = last.expand(len(x), *last.shape)
        for linear, gate in zip(reversed(self.linears[:-1]), reversed(gates), strict=True):
            weights = (weights * gate[:, None]) @ linear.weight
        return weights


def _affine(norm: nn.BatchNorm1d, y: Tensor) -> tuple[Tensor, Tensor]:
    """What a batch norm multiplies and adds; it doesn't count ``y`` in its running statistics."""
    if norm.training:
        mean, variance = y.mean(0), y.var(0, correction=0)
    else:
        mean, variance = norm.running_mean, norm.running_var  # type: ignore[assignment]
    scale = norm.weight / (variance + norm.eps).sqrt()
    return scale, norm.bias - mean * scale


def _largest_alone(maps: Tensor) -> Tensor:
    """Maps (N, c, h, w) with zeros everywhere but at the largest value of each, the first of equals."""
    flat = maps.flatten(2)
    values, places = flat.max(2, keepdim=True)
    return torch.zeros_like(flat).scatter(2, places, values).view_as(maps)


def _spread(weights: Tensor, read: Tensor, factor: int) -> Tensor:
    """Sum over channels of weights (N, k, c, g, g), each for ``factor`` x ``factor`` positions, times (N, c, h, w)."""
    side = factor * weights.shape[-1]
    parts = functional.pixel_unshuffle(read[:, :, :side, :side], factor)
    parts = parts.reshape(*read.shape[:2], factor**2, *weights.shape[3:])
    maps = torch.einsum("nkchw,ncohw->nkohw", weights, parts).flatten(1, 2)
    rest = (0, read.shape[3] - side, 0, read.shape[2] - side)  # what max pooling leaves out of an odd map
    return functional.pad(functional.pixel_shuffle(maps, factor), rest)

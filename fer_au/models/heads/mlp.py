"""Head ``mlp``: pooled or flattened features and fully connected layers, the classifier of the whole networks."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, cast

import torch
from pydantic import PositiveInt, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional

from fer_au.config.options import Counts, PartOptions
from fer_au.config.unread import ReadIf
from fer_au.models.heads.base import HEADS
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


@HEADS.register("mlp")
class MlpHead(Head):
    """Multilayer perceptron on the pooled features.

    A ReLU network is linear around each input. Its class maps are that linear function at this image, spread over the
    positions it reads: their spatial mean plus the function's own bias equals the logits, exactly, in evaluation mode.
    In training they leave dropout out and take the batch's statistics as constants.
    """

    class Options(PartOptions):
        """Options of head ``mlp``.

        Attributes:
            hidden: Widths of the hidden layers; None for two, twice as wide as the features and as wide.
            dropout: Share of the inputs of each linear layer that training drops: one number for all, or one per layer,
                the last layer included; None for a half after the first hidden layer, and nowhere else.
            batch_norm: Whether each hidden layer is normalised before its ReLU.
            max_pool: Whether the map is reduced by 2 x 2 max pooling first.
            grid: Rows and columns that the map must have to be flattened; None reduces its positions to one.
            pooling: Reduction of the positions to one: ``mean`` or ``max``.
        """

        READ_IF = (
            ReadIf("batch_norm", lambda one: one.hidden != (), "there is no hidden layer"),
            ReadIf("max_pool", lambda one: one.pooling != "max", "pooling max finds the largest value anyway"),
            ReadIf(
                "pooling", lambda one: one.grid is None, "grid is given: a map that is flattened keeps its positions"
            ),
        )

        hidden: Counts | None = (512,)
        dropout: float | tuple[float, ...] | None = 0.5
        batch_norm: bool = False
        max_pool: bool = False
        grid: PositiveInt | None = None
        pooling: Literal["mean", "max"] = "mean"

        @field_validator("dropout", mode="before")
        @classmethod
        def _shares(cls, dropout: object) -> object:
            rates = tuple(dropout) if isinstance(dropout, list | tuple) else (dropout,)
            numbers = all(isinstance(rate, int | float) and type(rate) is not bool for rate in rates)
            if dropout is not None and not (numbers and all(0 <= rate <= 1 for rate in rates)):
                raise ValueError("should be a number from 0 to 1, or a list of such numbers")
            return rates if isinstance(dropout, list) else dropout

        @field_validator("dropout")
        @classmethod
        def _one_of_each_layer(cls, dropout: object, known: ValidationInfo) -> object:
            if "hidden" in known.data and isinstance(dropout, tuple):
                hidden = known.data["hidden"]
                layers = 3 if hidden is None else len(hidden) + 1
                if len(dropout) != layers:
                    raise ValueError(f"should be one share, or one of each of {layers} linear layers")
            return dropout

    options: Options

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        hidden = (2 * channels, channels) if self.options.hidden is None else self.options.hidden
        widths = [channels * (self.options.grid or 1) ** 2, *hidden, classes]
        self.dropout = _rates(self.options.dropout, layers=len(widths) - 1)
        self.linears = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(width) if self.options.batch_norm else nn.Identity() for width in hidden
        )

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; the head has no attention map of its own.

        Raises:
            ValueError: The map has another size than ``grid``.
        """
        final = trunk.final
        x = self._vector(functional.max_pool2d(final, 2) if self.options.max_pool else final)
        for linear, norm, rate in zip(self.linears, self.norms, self.dropout, strict=False):
            x = norm(linear(functional.dropout(x, rate, self.training))).relu()
        return HeadOutput(self.linears[-1](functional.dropout(x, self.dropout[-1], self.training)))

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """Multiply the local linear function of each class by the features (see the class)."""
        final = read = pooled = trunk.final
        if self.options.max_pool:
            pooled, winners = functional.max_pool2d(final, 2, return_indices=True)
            read = functional.max_unpool2d(pooled, winners, [2, 2], output_size=list(final.shape))
        weights = self._local_weights(self._vector(pooled))
        if self.options.grid is None:
            largest = self.options.pooling == "max"
            maps = torch.einsum("nkc,nchw->nkhw", weights, _largest_alone(read) if largest else read)
            maps = maps / (1 if largest else pooled[0, 0].numel())
        else:
            local = weights.reshape(*weights.shape[:2], *pooled.shape[1:])
            maps = _spread(local, read, 2 if self.options.max_pool else 1)
        return maps * final[0, 0].numel()

    def _vector(self, pooled: Tensor) -> Tensor:
        grid = self.options.grid
        if grid is None:
            return pooled.amax((2, 3)) if self.options.pooling == "max" else pooled.mean((2, 3))
        rows, columns = pooled.shape[2:]
        if (rows, columns) != (grid, grid):
            raise ValueError(f"its classifier needs a {grid} x {grid} map, not {rows} x {columns}")
        return pooled.flatten(1)

    def _local_weights(self, x: Tensor) -> Tensor:
        """Compute the gradient of each logit by the pooled features in closed form, (N, classes, inputs)."""
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


def _rates(dropout: float | tuple[float, ...] | None, layers: int) -> tuple[float, ...]:
    """Return the share that each linear layer drops of its inputs."""
    if dropout is None:
        return tuple(0.5 if layer == 1 else 0.0 for layer in range(layers))
    return dropout if isinstance(dropout, tuple) else (dropout,) * layers


def _affine(norm: nn.BatchNorm1d, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the factors and summands of a batch norm; its running statistics don't count ``y``."""
    if norm.training:
        mean, variance = y.mean(0), y.var(0, correction=0)
    else:
        mean, variance = norm.running_mean, norm.running_var  # type: ignore[assignment]
    scale = norm.weight / (variance + norm.eps).sqrt()
    return scale, norm.bias - mean * scale


def _largest_alone(maps: Tensor) -> Tensor:
    """Set maps (N, c, h, w) to 0 everywhere but at the largest value of each; the first place breaks ties."""
    flat = maps.flatten(2)
    values, places = flat.max(2, keepdim=True)
    return torch.zeros_like(flat).scatter(2, places, values).view_as(maps)


def _spread(weights: Tensor, read: Tensor, factor: int) -> Tensor:
    """Sum over channels weights (N, k, c, g, g), each for ``factor`` x ``factor`` positions, times (N, c, h, w)."""
    side = factor * weights.shape[-1]
    parts = functional.pixel_unshuffle(read[:, :, :side, :side], factor)
    parts = parts.reshape(*read.shape[:2], factor**2, *weights.shape[3:])
    maps = torch.einsum("nkchw,ncohw->nkohw", weights, parts).flatten(1, 2)
    rest = (0, read.shape[3] - side, 0, read.shape[2] - side)  # what max pooling leaves out of an odd map
    return functional.pad(functional.pixel_shuffle(maps, factor), rest)

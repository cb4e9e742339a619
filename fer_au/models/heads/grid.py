"""Head ``grid``: means over a grid of cells and one linear layer, so that it matters where a feature lies."""

from __future__ import annotations

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional

from fer_au.config.options import PartOptions
from fer_au.models.heads.base import HEADS, fresh_linear
from fer_au.models.parts import Head, HeadOutput, TrunkOutput


@HEADS.register("grid")
class GridHead(Head):
    """Means over the cells of a grid and one linear layer (a level of Lazebnik et al.'s spatial pyramid, CVPR 2006).

    In an aligned face every place has its meaning, which global average pooling throws away. A cell of the grid covers
    the positions that torch's adaptive pooling gives it; cells overlap where the map can't be parted evenly.
    The logits equal the spatial means of the class maps plus the bias.
    """

    class Options(PartOptions):
        """Options of head ``grid``.

        Attributes:
            cells: Rows and columns of the grid; 1 is global average pooling.
            dropout: Share of the cells' means that training drops.
        """

        cells: PositiveInt = 4
        dropout: float = Field(0.0, ge=0, lt=1)

    options: Options

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        self.linear = fresh_linear(channels * self.options.cells**2, classes)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; the head has no attention map of its own.

        Raises:
            ValueError: The map has fewer rows or columns than the grid.
        """
        means = torch.einsum("nchw,ih,jw->ncij", trunk.final, *self._windows(trunk.final)).flatten(1)
        means = functional.dropout(means, self.options.dropout, self.training)
        return HeadOutput(functional.linear(means, self.linear.weight.float(), self.linear.bias.float()))

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """Compute the CAM, with the weights that a position has in its cells; dropout is left out."""
        final = trunk.final
        cells = self.options.cells
        weights = self.linear.weight.float().reshape(-1, final.shape[1], cells, cells)
        local = torch.einsum("kcij,ih,jw->kchw", weights, *self._windows(final))
        return torch.einsum("kchw,nchw->nkhw", local, final) * final[0, 0].numel()

    def _windows(self, final: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the share of each row, and of each column, in the means of the cells: (cells, h) and (cells, w)."""
        cells, (rows, columns) = self.options.cells, final.shape[2:]
        if min(rows, columns) < cells:
            raise ValueError(f"its {cells} x {cells} cells need a map as large, not {rows} x {columns}")
        by_row, by_column = (
            functional.adaptive_avg_pool1d(torch.eye(side, device=final.device), cells).T for side in (rows, columns)
        )
        return by_row, by_column

"""The pull of one guidance term: how far attention maps are from the cue maps of the same images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fer_au.resizing import Frame
from fer_au.training.losses.base import GuidanceLoss


class Targets(NamedTuple):
    """The cue maps of a batch for one term, as where to look: a cue to avoid, such as ``background``, is inverted.

    Beyond the picture's border they are 0.

    Attributes:
        maps: (N, s, s) float32 in [0, 1].
        valid: (N,) bool, False where an image has no cue.
        known: (N, s, s) in [0, 1], share of each cell that shows a face whose cue is known, after images were mixed;
            None if all do.
    """

    maps: Tensor
    valid: Tensor
    known: Tensor | None = None

    def on_grid(self, grid: tuple[int, int], frame: Frame) -> tuple[Tensor, Tensor | None]:
        """Bring maps and known shares to a layer's own grid; a cell's value is the mean of its known part."""
        if self.known is None:
            return frame.to_layer(self.maps, grid), None
        known = frame.to_layer(self.known, grid)
        part = frame.to_layer(torch.where(self.known > 0, self.maps * self.known, 0.0), grid)
        return torch.where(known > 0, part / torch.where(known > 0, known, 1.0), 0.0), known


def mean_distance(
    loss: GuidanceLoss, attention: Sequence[Tensor], targets: Targets, frame: Frame, time: float
) -> Tensor:
    """Compute a guidance loss in float32: the mean over attention maps, each compared on the map's own grid.

    Args:
        loss: Distance between attention and cue.
        attention: Attention maps (N, h, w), one per layer.
        targets: Cue maps of the same images.
        frame: Frame of the attention's grid, to which the cue is brought.
        time: Time of the training, in epochs.
    """

    def distance(maps: Tensor) -> Tensor:
        target, known = targets.on_grid((maps.shape[1], maps.shape[2]), frame)
        return loss(maps, 1 - target if loss.avoids else target, targets.valid, known, time)

    with torch.autocast(targets.maps.device.type, enabled=False):
        return torch.stack([distance(maps) for maps in attention]).mean()


def share_of_batch(valid: Tensor, mean_count: Callable[[Tensor], Tensor]) -> Tensor:
    """Compute by what a process's mean over its valid images counts in that of the whole batch.

    Args:
        valid: (N,) bool of this process's images.
        mean_count: Mean of a count over the processes that share the batch.
    """
    count = valid.sum().float()
    return count / mean_count(count).clamp(min=torch.finfo(torch.float32).tiny)

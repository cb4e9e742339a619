"""Occlusion: cover a place of the face, and see what the class loses. It asks a network for scores alone."""

from __future__ import annotations

from itertools import product

from torch import Tensor

from fer_au.cam.forward import CamInput
from fer_au.cam.registry import CAMS, CamMethod

GRID = 10
"""Places along each side; each of them costs a forward pass."""
_PATCH = 2  # side of the cover, in places


@CAMS.register("occlusion")
class Occlusion(CamMethod):
    """Occlusion (Zeiler and Fergus, ECCV 2014): how far the logarithm of the class's probability falls, rectified.

    A square of the picture's mean colour, two tenths of its side long, is put on each of 10 x 10 places; at the border,
    a part of it lies outside. That is 100 forward passes of each picture, without gradients, so that it suits networks
    of which nothing but scores is known. Of models that see the whole picture, too, only the face is covered.
    """

    layered = False
    needs_gradients = False

    def maps(self, batch: CamInput) -> Tensor:
        """Cover one place after the other, of all pictures at once."""
        channels = batch.model.config.channels
        colour = batch.images[:, :channels].mean((2, 3), keepdim=True)
        before = self._of_target(batch, batch.images)
        drops = before.new_zeros((len(before), GRID, GRID))
        for row, column in product(range(GRID), range(GRID)):
            covered = batch.images.clone()
            rows, columns = (_covered(*one) for one in ((row, covered.shape[2]), (column, covered.shape[3])))
            covered[:, :channels, rows, columns] = colour
            drops[:, row, column] = before - self._of_target(batch, covered)
        return drops.relu()

    def _of_target(self, batch: CamInput, images: Tensor) -> Tensor:
        logits: Tensor = batch.model(images).logits
        return logits.float().log_softmax(1).gather(1, batch.target[:, None])[:, 0]


def _covered(place: int, side: int) -> slice:
    """Find the pixels that a cover hides along one side: around the middle of its place."""
    cell = side / GRID
    first = round((place + 0.5 - _PATCH / 2) * cell)
    return slice(max(first, 0), max(min(first + round(_PATCH * cell), side), 1))

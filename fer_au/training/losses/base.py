"""Guidance losses: how far a model's attention maps are from the cue maps of the same images.

Every loss works in float32 whatever it is given (a bfloat16 cosine is off by up to .007), averages over the valid
samples only, and is exactly zero, with a graph, when no sample of the batch is valid, so that a batch of neutral faces
trains on cross-entropy alone. Where images were mixed, cells count by how much of them shows a face whose cue is known;
unknown attention and targets count as zero (``kl``: as minus infinity). The base class does all that; a loss compares
rows of cells with weights.

Attention may be signed. What each loss makes of negative values:

* ``cosine``, ``cosine_barrier``, ``l1``, ``l2``: taken as they are, as the AU-cue paper does; a negative value on the
  cue counts against it.
* ``std_cosine``: any sign, since each map's own mean is subtracted.
* ``mass``, ``mass_sum``: negative values hold no mass (rectified); a shift would add mass everywhere.
* ``kl``, ``kl_cells``: any sign, since attention goes through a softmax.
* ``bce``: attention must be a probability, in [0, 1]; values outside are clipped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from fer_au.answers import check_array, check_range, describe
from fer_au.array_arguments import read_array
from fer_au.config.options import PartOptions, construct
from fer_au.errors import ArgumentError, PartError
from fer_au.registry import Registry


class GuidanceLoss(ABC):
    """Base of the guidance losses. A subclass defines ``compare``, and registers under a name.

    A loss that has options declares them in a nested class ``Options``, and annotates its attribute ``options`` with
    it.

    Args:
        options: Options of the loss (``loss_options`` of an entry of ``guidance``).

    Attributes:
        Options: Options of the loss, with types, defaults and descriptions.
        options: Options of this instance.
        unit_interval: Whether attention must lie in [0, 1]; ``training.attention`` then makes probabilities of other
            maps.
        avoids: Whether the target says where *not* to look; it is then the complement of a cue, or a cue to avoid.
    """

    Options: ClassVar[type[PartOptions]] = PartOptions
    unit_interval: ClassVar[bool] = False
    avoids: ClassVar[bool] = False
    options: PartOptions
    _seen: bool = False

    def __init__(self, **options: object) -> None:
        self.options = self.Options.model_validate(options)

    @abstractmethod
    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare some maps, cell by cell.

        Args:
            attention: (n, cells) float32, the attention maps as rows; n may be 0.
            target: (n, cells) float32 in [0, 1], the cue maps on the same grid.
            weight: (n, cells) float32 in [0, 1], 1 for a cell that counts, 0 for one that does not; each row has one
                above 0.

        Returns:
            (n,) distances, differentiable in ``attention``.
        """

    def at_time(self, distances: Tensor, time: float) -> Tensor:
        """Reshape the distances as the training goes on; by default they stay as they are.

        All that changes during a training is a function of its time, so that a resumed training goes on as it would
        have; a loss keeps no state.

        Args:
            distances: (n,) result of ``compare``.
            time: Time of the training, in epochs; 0 at its start, and ``n + 0.5`` in the middle of epoch n.

        Returns:
            (n,) distances, differentiable in the given ones.
        """
        return distances

    def __call__(
        self, attention: Tensor, target: Tensor, valid: Tensor, known: Tensor | None = None, time: float = 0.0
    ) -> Tensor:
        """Compute the mean distance of the valid samples.

        Args:
            attention: (N, h, w) attention maps, any float type.
            target: (N, h, w) cue maps in [0, 1], or masks, on the same grid; a tensor or an array.
            valid: (N,) bool, False where a sample has no cue (neutral, or no landmarks); its maps are never read.
            known: (N, h, w) in [0, 1], the weight of each cell: how much of it shows a face whose cue is known; None if
                all do.
            time: Time of the training, in epochs.

        Returns:
            A float32 scalar.

        Raises:
            ArgumentError: Something else was given, or attention and target are on different grids.
            PartError: The loss, another package's, breaks the contract of ``compare``.
        """
        attention = read_array("attention", attention, ("N", "h", "w"), "float", "torch")
        target = _beside("target", target, attention)
        valid = _on_device("valid", read_array("valid", valid, (len(attention),), "bool"), attention)
        known = None if known is None else _beside("known", known, attention)
        weights = torch.ones_like(target, dtype=torch.float32) if known is None else known
        # Rows are chosen by index, so that a NaN of an invalid sample can't leak. One without known cells is invalid.
        rows = (valid & (weights > 0).flatten(1).any(dim=1)).nonzero().squeeze(1)
        compared = [maps[rows].float().flatten(1) for maps in (attention, target, weights)]
        distances = self.at_time(self.compare(*compared), time)
        self._check(distances, *compared[:2])
        return distances.sum() / max(len(rows), 1)

    def _check(self, distances: Tensor, *given: Tensor) -> None:
        """Check the answer of ``compare`` to attention and target; values are read once, in the first batch with rows.

        Raises:
            PartError: The answer has another shape, no gradient, or values that are no distances.
        """
        title, attention = LOSSES.title(self), given[0]
        check_array(title, "distances", distances, (len(attention),), like=attention)
        if attention.requires_grad and torch.is_grad_enabled() and not distances.requires_grad:
            raise PartError(f"{title} gave distances without a gradient: nothing would be learned of them")
        if self._seen or not len(attention):
            return
        self._seen = True
        if all(bool(maps.isfinite().all()) for maps in given):  # else the fault lies with the model, or the cue
            check_range(title, "distances", distances.detach(), low=0)


LOSSES: Registry[type[GuidanceLoss]] = Registry(
    "guidance loss",
    "fer_au.losses",
    built_in={
        "bce": "fer_au.training.losses.probabilities",
        "cosine": "fer_au.training.losses.cosines",
        "cosine_barrier": "fer_au.training.losses.cosines",
        "kl": "fer_au.training.losses.probabilities",
        "kl_cells": "fer_au.training.losses.probabilities",
        "l1": "fer_au.training.losses.differences",
        "l2": "fer_au.training.losses.differences",
        "mass": "fer_au.training.losses.masses",
        "mass_sum": "fer_au.training.losses.masses",
        "std_cosine": "fer_au.training.losses.cosines",
    },
    base=GuidanceLoss,
)


def list_losses() -> list[str]:
    """List the names of the guidance losses that an experiment's ``guidance`` entries may use.

    Example:
        >>> {"bce", "cosine", "mass"} <= set(list_losses())
        True
    """
    return LOSSES.names()


def create_loss(name: str, **options: object) -> GuidanceLoss:
    """Make the guidance loss of a name.

    Args:
        name: Name of ``list_losses()``.
        options: Options of the loss.

    Raises:
        UnknownNameError: No loss has that name; the message lists near names.
        ConfigError: The loss doesn't have an option, or refuses its value.

    Example:
        >>> import torch
        >>> cue = torch.rand(2, 7, 7)
        >>> bool(create_loss("cosine")(3 * cue, cue, torch.tensor([True, False])) < 1e-5)
        True
    """
    return construct(LOSSES, name, options)


def _beside(name: str, maps: object, attention: Tensor) -> Tensor:
    """Read maps on the grid of the attention, as floats; whole numbers are refused: a store's go up to 255.

    Raises:
        ArgumentError: They are something else, on another grid or another device.
    """
    read = read_array(name, maps, ("N", "h", "w"))
    if tuple(read.shape) != tuple(attention.shape):
        shapes = f"{tuple(read.shape)} and attention {tuple(attention.shape)}"
        raise ArgumentError(
            f"{name}: {name} {shapes} are on different grids; fer_au.resizing.resize_maps brings them to one"
        )
    if not str(read.dtype).removeprefix("torch.").startswith(("float", "bfloat", "bool")):
        raise ArgumentError(f"{name}: expected floats in [0, 1], got {describe(read)}; divide those of a store by 255")
    return _on_device(name, read, attention).float()


def _on_device(name: str, values: object, like: Tensor) -> Tensor:
    """Bring an array to the device of a tensor; a tensor must be there already.

    Raises:
        ArgumentError: It is elsewhere.
    """
    if not isinstance(values, Tensor):
        return torch.from_numpy(np.array(values)).to(like.device)
    if values.device != like.device:
        place = f"is on {values.device}, and the attention on {like.device}"
        raise ArgumentError(f"{name}: {place}; write {name}.to({str(like.device)!r})")
    return values

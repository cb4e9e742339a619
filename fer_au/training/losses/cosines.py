"""Losses that compare the directions of maps: ``cosine``, ``cosine_barrier``, ``std_cosine``."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor

from fer_au.config.options import PartOptions
from fer_au.config.unread import ReadIf
from fer_au.training.losses.arithmetic import cell_mean, safe_norm
from fer_au.training.losses.base import LOSSES, GuidanceLoss


@LOSSES.register("cosine")
class CosineLoss(GuidanceLoss):
    """One minus the cosine between attention and target: the AU-cue paper's alignment loss (arXiv 2402.00281).

    A map without any signal has no direction: its cosine is 0 and it gets no gradient, where a division by a tiny
    norm would give an enormous one.
    """

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare directions; see ``GuidanceLoss.compare``."""
        dot = (weight * attention * target).sum(dim=1)
        return 1.0 - dot / (safe_norm(attention, weight) * safe_norm(target, weight))


_Multiplier = Annotated[float, Field(ge=1)]  # below 1 a barrier gives negative distances


@LOSSES.register("cosine_barrier")
class CosineBarrierLoss(CosineLoss):
    """The constraint -cosine <= 0 by the extended log-barrier, an option of the AU-cue paper's code.

    The barrier (Kervadec et al., arXiv 1904.04205) of a constraint z <= 0 is ``-log(-z) / t`` up to ``z = -1 / t**2``
    and from there the tangent, so that a violated constraint has a value and a gradient, too. The multiplier t grows
    from epoch to epoch. At t = 1 the loss is ``cosine``; the larger t, the less it asks for beyond a positive cosine,
    and the harder it pushes a negative one: the slope is t there, and 1 / (t cosine) for faces that are far enough.
    """

    class Options(PartOptions):
        """Options of the loss; the defaults are those of the AU-cue paper's code.

        Attributes:
            growth: Factor of t from one epoch to the next.
            last: Greatest t.
            first: t of the first epoch.
        """

        READ_IF = (
            ReadIf("growth", lambda one: one.first < one.last, "first is last"),
            ReadIf("last", lambda one: one.growth > 1, "growth is 1"),
        )

        growth: _Multiplier = 1.01
        last: _Multiplier = 10.0
        first: _Multiplier = 1.0

        @field_validator("first")
        @classmethod
        def _not_beyond_last(cls, first: float, info: ValidationInfo) -> float:
            if first > info.data.get("last", first):
                raise ValueError(f"should be at most last, which is {info.data['last']:g}")
            return first

    options: Options

    def multiplier(self, time: float) -> float:
        """Compute t at a time of the training, in epochs; it is the same throughout an epoch."""
        first, growth, last = self.options.first, self.options.growth, self.options.last
        epochs = math.floor(time)
        # By logarithms, since the power may be too large for a float.
        if epochs * math.log(growth) >= math.log(last / first):
            return last
        return first * growth**epochs

    def at_time(self, distances: Tensor, time: float) -> Tensor:
        """Apply the barrier; see ``GuidanceLoss.at_time``."""
        t = self.multiplier(time)
        joint = 1 / t**2
        cosine = 1 - distances
        inside = -cosine.clamp(min=joint).log() / t
        tangent = (1 + 2 * math.log(t)) / t - t * cosine
        return torch.where(cosine >= joint, inside, tangent)


@LOSSES.register("std_cosine")
class StandardizedCosineLoss(GuidanceLoss):
    """One minus the cosine between standardised attention and target, an option of the AU-cue paper's code.

    Standardised attention has mean 0 and deviation 1 over its cells, so an offset of the whole map changes nothing; the
    target stays as it is. A constant map has no direction: 1, and no gradient.
    """

    def compare(self, attention: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare directions after the mean is subtracted; the deviation cancels. See ``GuidanceLoss.compare``."""
        centred = attention - cell_mean(attention, weight)[:, None]
        dot = (weight * centred * target).sum(dim=1)
        return 1.0 - dot / (safe_norm(centred, weight) * safe_norm(target, weight))

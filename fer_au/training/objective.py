"""What training minimises: cross-entropy on shares of the classes, and the guidance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fer_au.models.network import ModelOutput
from fer_au.training.guidance import Guidance, Targets


@dataclass(frozen=True)
class Objective:
    """The loss of a batch.

    Attributes:
        guidance: The experiment's.
        label_smoothing: Share of the target that goes to all classes alike.
        class_weights: (C,) on the training device; None for equal ones.
        mean_count: The mean of a scalar over the processes that share a batch. Sums are divided by it, so that the mean
            of the processes' gradients is the gradient of the whole batch.
    """

    guidance: Guidance
    label_smoothing: float
    class_weights: Tensor | None
    mean_count: Callable[[Tensor], Tensor]

    def __call__(
        self, output: ModelOutput, shares: Tensor, targets: Sequence[Targets], time: float
    ) -> dict[str, Tensor]:
        """Compute the loss and its parts.

        Args:
            output: Of the model.
            shares: (N, classes) float32: of the classes in each image; all zero for an image that doesn't count.
            targets: One per guidance term, moved and mixed as the images were.
            time: Of the training, in epochs.

        Returns:
            ``loss``, ``loss_ce``, ``loss_aux`` (the sum over auxiliary logits, if the model has any), and the guidance
            losses that are active, unweighted.
        """
        entropy = self._cross_entropy(output.logits, shares)
        parts = {"loss_ce": entropy}
        if output.auxiliary:
            parts["loss_aux"] = torch.stack([self._cross_entropy(one, shares) for one in output.auxiliary]).sum()
        guided = self.guidance.losses(output, targets, shares, time, self.mean_count)
        loss = sum(parts.values(), torch.zeros_like(entropy)) + self.guidance.weighted(guided, time)
        return {"loss": loss, **parts, **guided}

    def _cross_entropy(self, logits: Tensor, shares: Tensor) -> Tensor:
        return cross_entropy(logits, shares, self.class_weights, self.label_smoothing, self.mean_count)


def cross_entropy(
    logits: Tensor,
    shares: Tensor,
    weights: Tensor | None = None,
    smoothing: float = 0.0,
    mean_count: Callable[[Tensor], Tensor] = torch.clone,
) -> Tensor:
    """Weighted mean cross-entropy; for one-hot shares, torch's for class indices.

    torch divides by the number of images where targets are shares, and by the sum of the images' weights where they are
    indices; this divides by the sum of weights always, so that mixing does not change the scale of the loss.

    Args:
        logits: (N, C), any float type.
        shares: (N, C) float32, of the classes in each image.
        weights: (C,) of the classes.
        smoothing: Share of the target that goes to all classes alike.
        mean_count: See ``Objective``.

    Returns:
        A float32 scalar.
    """
    with torch.autocast(logits.device.type, enabled=False):
        weights = shares.new_ones(shares.shape[1]) if weights is None else weights
        target = (1 - smoothing) * shares + smoothing * shares.mean(1, keepdim=True)
        total = -(weights * target * functional.log_softmax(logits.float(), dim=1)).sum()
        return total / mean_count((weights * shares).sum())

"""Cross-entropy on shares of the classes: what training minimises besides guidance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy(
    logits: Tensor,
    shares: Tensor,
    weights: Tensor | None = None,
    smoothing: float = 0.0,
    mean_count: Callable[[Tensor], Tensor] = torch.clone,
) -> Tensor:
    """Compute the weighted mean cross-entropy; for one-hot shares, it is torch's for class indices.

    torch divides by the number of images where targets are shares, and by the sum of the images' weights where they are
    indices; this divides by the sum of weights always, so that mixing does not change the scale of the loss.

    Args:
        logits: (N, C), any float type.
        shares: (N, C) float32, shares of the classes in each image; all zero for an image that doesn't count.
        weights: (C,) weights of the classes; None for equal ones.
        smoothing: Share of the target that goes to all classes alike.
        mean_count: Mean of a scalar over the processes that share a batch. Sums are divided by it, so that the mean of
            the processes' gradients is the gradient of the whole batch.

    Returns:
        A float32 scalar.
    """
    with torch.autocast(logits.device.type, enabled=False):
        weights = shares.new_ones(shares.shape[1]) if weights is None else weights
        target = (1 - smoothing) * shares + smoothing * shares.mean(1, keepdim=True)
        total = -(weights * target * functional.log_softmax(logits.float(), dim=1)).sum()
        return total / mean_count((weights * shares).sum())

"""What the part of a network before its head computes."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class TrunkOutput(NamedTuple):
    """Features of a batch.

    Attributes:
        final: (N, c, h, w): what the head receives; for most CNNs the last layer, for transformers the normed tokens.
        features: Layer name -> (N, c, h, w), in network order.
        attentions: Of a transformer that records them, one per block: (N, heads, tokens, tokens) after the softmax,
            class token and the like first; empty otherwise.
        context: (N, c, h, w): the final map of the whole picture, for models that see it beside the face; else None.
    """

    final: Tensor
    features: dict[str, Tensor]
    attentions: tuple[Tensor, ...] = ()
    context: Tensor | None = None

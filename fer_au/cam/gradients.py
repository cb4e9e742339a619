"""Gradients of a score by inner values of a network, in one backward pass and without a hook.

A transformer's feature layer is a picture of its tokens: cut out, transposed, reshaped. Nothing reads that picture, so
no gradient reaches it. Autograd's graph knows the tokens that it was made of, and through them the score has a
gradient, which is then rearranged as the picture was.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from fer_au.errors import ConfigError

Key = TypeVar("Key", bound=Hashable)

# Operations that move values and change none, as autograd names them.
_REARRANGING = (
    "Alias",
    "Clone",
    "Permute",
    "Reshape",
    "Select",
    "Slice",
    "Split",
    "Squeeze",
    "T",
    "ToCopy",
    "Transpose",
    "UnsafeView",
    "Unsqueeze",
    "View",
)


def differentiate(score: Tensor, values: Mapping[Key, Tensor]) -> dict[Key, Tensor]:
    """Differentiate a score by several inner values at once; the graph is kept for more scores.

    Parameters gather nothing, and the layers before the earliest value are not differentiated.

    Args:
        score: Scalar.
        values: Values that the score was computed from, or rearrangements of such values.

    Returns:
        Gradient of each value, in its shape, float32.

    Raises:
        ConfigError: The score doesn't depend on a value; the message names its key.
    """
    nodes = _nodes_behind(score)
    sources = {key: _source(key, value, nodes) for key, value in values.items()}
    found = torch.autograd.grad(score, list(sources.values()), retain_graph=True)
    return {
        key: _rearranged(gradient, sources[key], values[key]).float()
        for key, gradient in zip(sources, found, strict=True)
    }


def _nodes_behind(score: Tensor) -> set[Node]:
    """Collect the operations that a score was computed by."""
    nodes: set[Node] = set()
    waiting = [score.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in nodes:
            nodes.add(node)
            waiting += [before for before, _ in node.next_functions]
    return nodes


def _source(key: object, value: Tensor, nodes: set[Node]) -> GradientEdge:
    """Find what the score was computed from: the value, or the one that it is a rearrangement of."""
    edge = get_gradient_edge(value)
    while edge.node not in nodes:
        node, number = edge.node.next_functions[0] if edge.node.next_functions else (None, 0)
        if node is None or not edge.node.name().startswith(_REARRANGING):
            raise ConfigError(f"no gradient reaches layer {key}: the scores don't depend on it; choose another layer")
        edge = GradientEdge(node, number)
    return edge


def _rearranged(gradient: Tensor, source: GradientEdge, value: Tensor) -> Tensor:
    """Rearrange a gradient as the value was rearranged from its source.

    A rearrangement is linear; its transpose comes from one backward pass, and the transpose of that from another.
    """
    if get_gradient_edge(value).node is source.node:
        return gradient
    with torch.enable_grad():
        probe = torch.zeros_like(value, requires_grad=True)
        (back,) = torch.autograd.grad(value, [source], grad_outputs=probe, retain_graph=True, create_graph=True)
        (result,) = torch.autograd.grad(back, probe, grad_outputs=gradient)
    return result

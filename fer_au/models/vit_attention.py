"""Record the attention matrices of timm's vision transformers, whose fused kernels keep none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from timm.layers import Attention, AttentionRope
from timm.models.beit import Attention as BeitAttention
from timm.models.eva import EvaAttention
from torch import Tensor, nn

from fer_au.errors import ConfigError

# Layers with self-attention over all tokens of one image that hand its softmax to ``attn_drop``. Attention within
# windows (Swin) or between channels (XCiT) gives no map of the image.
_KINDS = (Attention, AttentionRope, BeitAttention, EvaAttention)


def unfuse_attention(network: nn.Module, name: str) -> tuple[nn.Module, ...]:
    """Let every block of a vision transformer compute its attention matrix, in place; parameters stay as they are.

    Args:
        network: timm model.
        name: Name of the model, used in messages.

    Returns:
        Attention layers in network order, one per block.

    Raises:
        ConfigError: The network isn't built of blocks with self-attention over the whole image.
    """
    layers = _attention_layers(network, name)
    for layer in layers:
        layer.fused_attn = False
    return layers


@contextmanager
def unfused(network: nn.Module, name: str) -> Iterator[tuple[nn.Module, ...]]:
    """Let every block compute its attention matrix for a while; arguments and errors as in ``unfuse_attention``.

    Yields:
        Attention layers in network order, one per block.
    """
    before = [(layer, layer.fused_attn) for layer in _attention_layers(network, name)]
    try:
        yield unfuse_attention(network, name)
    finally:
        for layer, fused in before:
            layer.fused_attn = fused


@contextmanager
def recording(layers: Sequence[Any]) -> Iterator[list[Tensor]]:
    """Collect the attention matrices that unfused layers compute inside the block.

    The hooks live as long as one forward pass: nothing is kept between batches, and copies of a model don't write into
    one another's lists.

    Args:
        layers: Layers of ``unfuse_attention``.

    Yields:
        List that the forward pass fills: (N, heads, tokens, tokens) per layer, after the softmax, differentiable.
    """
    collected: list[Tensor] = []
    hooks = [layer.attn_drop.register_forward_pre_hook(partial(_collect, collected)) for layer in layers]
    try:
        yield collected
    finally:
        for hook in hooks:
            hook.remove()


def _attention_layers(network: nn.Module, name: str) -> tuple[Any, ...]:
    blocks = getattr(network, "blocks", ())
    layers: tuple[Any, ...] = tuple(getattr(block, "attn", None) for block in blocks)
    if not layers or not all(isinstance(layer, _KINDS) for layer in layers):
        raise ConfigError(f"backbone {name!r} has no attention over the whole image to record; try a vit or a deit")
    return layers


def _collect(collected: list[Tensor], _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    collected.append(inputs[0])

"""Attention matrices of timm's vision transformers, whose fused kernels keep none."""

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

# Self-attention over all tokens of one image, its softmax given to ``attn_drop``. Windows (Swin) and attention between
# channels (XCiT) have no map of the image.
_KINDS = (Attention, AttentionRope, BeitAttention, EvaAttention)


def unfuse_attention(network: nn.Module, name: str) -> tuple[nn.Module, ...]:
    """Let every block of a vision transformer compute its attention matrix, in place; parameters stay as they are.

    Args:
        network: A timm model.
        name: Its name, for messages.

    Returns:
        The attention layers in network order, one per block.

    Raises:
        ConfigError: The network isn't built of blocks with self-attention over the whole image.
    """
    blocks = getattr(network, "blocks", ())
    layers: tuple[Any, ...] = tuple(getattr(block, "attn", None) for block in blocks)
    if not layers or not all(isinstance(layer, _KINDS) for layer in layers):
        raise ConfigError(f"backbone {name!r} has no attention over the whole image to record; try a vit or a deit")
    for layer in layers:
        layer.fused_attn = False
    return layers


@contextmanager
def recording(layers: Sequence[Any]) -> Iterator[list[Tensor]]:
    """Collect what unfused attention layers compute meanwhile, (N, heads, tokens, tokens) each, differentiable.

    The hooks live as long as one forward pass: nothing is kept between batches, and copies of a model don't write into
    the lists of one another.
    """
    collected: list[Tensor] = []
    hooks = [layer.attn_drop.register_forward_pre_hook(partial(_collect, collected)) for layer in layers]
    try:
        yield collected
    finally:
        for hook in hooks:
            hook.remove()


def _collect(collected: list[Tensor], _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    collected.append(inputs[0])

"""Head ``ts_cam``: class maps from a transformer's tokens, coupled with the attention of its class token."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_au.errors import ConfigError
from fer_au.models.heads.base import HEADS
from fer_au.models.parts import Head, HeadOutput, Trunk, TrunkOutput


@HEADS.register("ts_cam")
class TsCamHead(Head):
    """Token semantic coupled attention map (Gao et al., ICCV 2021).

    A 3x3 convolution turns the map of patch tokens into one semantic map per class, whose mean is the logit. The
    attention of the class token to the patches, mean over heads and summed over blocks, tells where the transformer
    looks, whatever the class; the class map is the product of both.

    The backbone must be a vision transformer with a class token (DeiT-S in the AU-cue paper). Deviation: class maps
    leave out the convolution's bias, as those of every head do.
    """

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        self.conv = nn.Conv2d(channels, classes, 3, padding=1)

    def attach(self, backbone: Trunk) -> None:
        """Let the backbone record its attention.

        Raises:
            ConfigError: The backbone has no class token, or no attention over the whole image.
        """
        if not backbone.has_class_token:
            raise ConfigError(f"head 'ts_cam' needs a class token, and backbone {backbone.name!r} has none; try a deit")
        backbone.record_attention()

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; the attention map is the class token's."""
        return HeadOutput(self._semantic(trunk, self.conv.bias).mean((2, 3)), class_token_attention(trunk))

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """Multiply the semantic map of each class by the class token's attention."""
        return self._semantic(trunk, None) * class_token_attention(trunk)[:, None]

    def _semantic(self, trunk: TrunkOutput, bias: Tensor | None) -> Tensor:
        bias = None if bias is None else bias.float()
        return functional.conv2d(trunk.final, self.conv.weight.float(), bias, padding=1)


def class_token_attention(trunk: TrunkOutput) -> Tensor:
    """Compute where the class token looks: mean over heads, sum over blocks; differentiable.

    Args:
        trunk: Features with recorded attentions, of a transformer whose first token is the class token.

    Returns:
        Attention (N, h, w) float32.
    """
    grid = trunk.final.shape[-2:]
    rows = [attention[:, :, 0, -grid.numel() :].float().mean(1) for attention in trunk.attentions]
    return torch.stack(rows).sum(0).reshape(-1, *grid)

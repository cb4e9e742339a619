"""Head ``apvit``: a transformer on the most active patches, whose later blocks drop more of them."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field, PositiveInt, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional

from fer_au.config.options import PartOptions, Share
from fer_au.config.unread import ReadIf
from fer_au.errors import ConfigError
from fer_au.maps import min_max
from fer_au.models.heads.base import HEADS
from fer_au.models.parts import Head, HeadOutput, TrunkOutput

_INIT_STD = 0.02


@HEADS.register("apvit")
class ApvitHead(Head):
    """Attentive pooling transformer on any backbone's final map (Xue et al., IEEE TAFFC 2022).

    A 1x1 convolution makes patches. Attentive patch pooling scores each by the sum of its absolute channels and keeps
    the ``k`` best; these and a class token, with their positions, pass ``depth`` transformer blocks. Attentive token
    pooling: each block of the last half keeps the share ``keep`` of the patches to which the class token attends most.
    A linear layer that starts at zero reads the class token. The head's attention is the scores, each map scaled to
    [0, 1], whatever the class; class maps are the inherited gradient-weighted ones.

    Defaults are the published ones. Deviations: the published backbone is three stages of an IR-50 pretrained on faces
    and its transformer starts from ImageNet weights, here the backbone is the experiment's and the transformer starts
    fresh; ``k`` is a share of the grid by default, since grids differ; and positions are made for ``grid`` and
    interpolated to any other.
    """

    class Options(PartOptions):
        """Options of head ``apvit``.

        Attributes:
            dim: Channels of a token, a multiple of ``heads``.
            depth: Transformer blocks.
            heads: Attention heads.
            mlp_ratio: Hidden channels of a block's perceptron, relative to ``dim``.
            k: Patches that the first pooling keeps: a share of the grid as a float, or a number as an int.
            keep: Share of the patches that each block of the last half keeps, rounded down, at least one.
            grid: Rows and columns for which positions are learned; best the size of the backbone's final map.
        """

        READ_IF = (
            # The last block's pooling comes after the class token, which alone is classified, has read the patches.
            ReadIf("keep", lambda one: one.depth > 3, "up to depth 3, no block follows one that keeps a share"),
        )

        dim: PositiveInt = 768
        depth: PositiveInt = 8
        heads: PositiveInt = Field(default=8, validate_default=True)
        mlp_ratio: Annotated[float, Field(gt=0)] = 3.0
        k: int | float = 160 / 196
        keep: Share = 0.9
        grid: PositiveInt = 14

        @field_validator("k", mode="before")
        @classmethod
        def _number_or_share(cls, k: object) -> object:
            number = type(k) is int and k >= 1
            if not number and not (isinstance(k, float) and 0 < k <= 1):
                raise ValueError("should be a whole number of patches >= 1, or a share above 0 and up to 1.0")
            return k

        @field_validator("heads")
        @classmethod
        def _parts_of_a_token(cls, heads: int, known: ValidationInfo) -> int:
            if (dim := known.data.get("dim")) is not None and dim % heads:
                raise ValueError(f"should divide dim {dim}")
            return heads

        @field_validator("mlp_ratio")
        @classmethod
        def _leaves_a_channel(cls, ratio: float, known: ValidationInfo) -> float:
            if (dim := known.data.get("dim")) is not None and dim * ratio < 1:
                raise ValueError(f"should leave a hidden channel of dim {dim}")
            return ratio

    options: Options

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        dim, depth, grid = self.options.dim, self.options.depth, self.options.grid
        heads, keep, hidden = self.options.heads, self.options.keep, round(dim * self.options.mlp_ratio)
        first_pooling = depth - depth // 2
        self.projection = nn.Conv2d(channels, dim, 1)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.class_position = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = nn.Parameter(torch.zeros(1, dim, grid, grid))
        self.blocks = nn.Sequential(
            *(PoolingBlock(dim, heads, hidden, keep if i >= first_pooling else 1.0) for i in range(depth))
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.linear = nn.Linear(dim, classes)
        self._init_weights()

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=_INIT_STD)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for parameter in (self.class_token, self.class_position, self.positions):
            nn.init.trunc_normal_(parameter, std=_INIT_STD)
        nn.init.zeros_(self.linear.weight)

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features; the attention is the patches' scores.

        Raises:
            ConfigError: ``k`` patches are more than the grid has.
        """
        patches = self.projection(trunk.final)
        score = patches.abs().sum(1)
        tokens = (patches + self._positions(patches.shape[2], patches.shape[3])).flatten(2).transpose(1, 2)
        tokens = take(tokens, score.flatten(1).topk(self._kept(tokens.shape[1]), dim=1).indices)
        first = (self.class_token + self.class_position).expand(tokens.shape[0], -1, -1)
        tokens = self.blocks(torch.cat((first, tokens), dim=1))
        return HeadOutput(self.linear(self.norm(tokens[:, 0])), min_max(score))

    def _positions(self, rows: int, columns: int) -> Tensor:
        if (rows, columns) == (self.options.grid, self.options.grid):
            return self.positions
        return functional.interpolate(self.positions, size=(rows, columns), mode="bicubic", align_corners=False)

    def _kept(self, patches: int) -> int:
        k = self.options.k
        if isinstance(k, float):
            return max(1, round(k * patches))
        if k > patches:
            raise ConfigError(f"model.head_options.k: {k} patches can't be kept of {patches}; take a share")
        return k


class PoolingBlock(nn.Module):
    """Transformer block whose attention also decides which patches the next block gets.

    Args:
        dim: Channels of a token.
        heads: Attention heads.
        hidden: Channels within the perceptron.
        keep: Share of the patches that are kept, in (0, 1]; the class token always is.
    """

    def __init__(self, dim: int, heads: int, hidden: int, keep: float) -> None:
        super().__init__()
        self.heads, self.keep = heads, keep
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=False)
        self.output = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens (N, 1 + n, dim), class token first, and keep some: (N, 1 + kept, dim)."""
        mixed, relevance = self.attend(self.norm1(tokens))
        tokens = tokens + mixed
        patches = tokens.shape[1] - 1
        kept = max(1, int(self.keep * patches))
        if kept < patches:
            best = relevance.topk(kept, dim=1).indices
            tokens = torch.cat((tokens[:, :1], take(tokens[:, 1:], best)), dim=1)
        expanded: Tensor = tokens + self.mlp(self.norm2(tokens))
        return expanded

    def attend(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Apply multi-head self-attention.

        Returns:
            Mixed tokens (N, 1 + n, dim); and the class token's attention to each patch, (N, n): the sum over heads of
            the products of its query with their keys, before the softmax.
        """
        query, key, value = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        products = query @ key.transpose(2, 3) * query.shape[3] ** -0.5
        mixed = products.softmax(3) @ value
        return self.output(mixed.transpose(1, 2).flatten(2)), products[:, :, 0, 1:].sum(1)


def take(tokens: Tensor, index: Tensor) -> Tensor:
    """Take the chosen tokens of each sample: (N, n, dim) and (N, k) int64 -> (N, k, dim)."""
    return tokens.gather(1, index.unsqueeze(2).expand(-1, -1, tokens.shape[2]))

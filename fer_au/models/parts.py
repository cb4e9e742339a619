"""The two parts of every classifier: a trunk that makes feature maps, and a head that scores them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from fer_au.errors import ConfigError


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


class Trunk(nn.Module, ABC):
    """The part of a network that makes feature maps.

    Attributes:
        name: The architecture.
        network: A timm backbone's model, with timm's names of modules; networks of the project have none.
        layers: Names of the feature layers, ``"1"`` to ``"L"`` in network order.
        channels: Channels of the final map.
    """

    name: str
    network: Any
    layers: tuple[str, ...]
    channels: int

    @property
    def has_class_token(self) -> bool:
        """Whether it is a transformer whose first token stands for the whole image."""
        return False

    def record_attention(self) -> None:
        """From now on give the attention matrices of all blocks, ``TrunkOutput.attentions``; costs time and memory.

        Raises:
            ConfigError: The architecture has no attention over the whole image.
        """
        raise ConfigError(f"backbone {self.name!r} has no attention over the whole image")

    @abstractmethod
    def forward(self, x: Tensor) -> TrunkOutput:
        """Compute the features of normalised images (N, in_chans, H, W)."""


class HeadOutput(NamedTuple):
    """What a head makes of features.

    Attributes:
        logits: (N, classes) float32.
        attention: The head's own attention map (N, h, w) float32, or None if it has none.
        auxiliary: More logits (N, classes), each trained with the same label; they play no part in predictions.
    """

    logits: Tensor
    attention: Tensor | None = None
    auxiliary: tuple[Tensor, ...] = ()


class Head(nn.Module, ABC):
    """Contract of a head: class scores and class maps from a trunk's features, in float32 whatever autocast does.

    A head's own options (``model.head_options``) are keyword arguments of its constructor, with defaults.

    Args:
        channels: Channels of the trunk's final map.
        classes: Number of classes.

    Attributes:
        views: Pictures of each face that it needs: 1, or 2 with the whole picture, whose final map is ``context``.
        shared_backbone: Whether one backbone is to see all views.
    """

    views: ClassVar[int] = 1
    shared_backbone: bool = True

    @abstractmethod
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features.

        Args:
            trunk: Of N images.
            labels: (N,) int64 or None. Only in training, and only for heads whose training needs them.
        """

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """The head's native evidence map of each class, (N, classes, h, w) float32, signed and without bias.

        Default, for heads that don't define one: each channel weighted by the mean gradient of the class's logit, which
        is Grad-CAM (Selvaraju et al., ICCV 2017) before its rectification. Differentiable where gradients are on.
        """
        wanted = torch.is_grad_enabled()
        with torch.enable_grad(), torch.autocast(trunk.final.device.type, enabled=False):
            final = trunk.final.float()
            final = final if wanted and final.requires_grad else final.detach().requires_grad_()
            logits = self(trunk._replace(final=final)).logits
            maps = []
            for scores in logits.sum(0):
                (gradient,) = torch.autograd.grad(scores, final, retain_graph=True, create_graph=wanted)
                maps.append((gradient.mean((2, 3), keepdim=True) * final).sum(1))
            stacked = torch.stack(maps, dim=1)
        return stacked if wanted else stacked.detach()

    def attach(self, backbone: Trunk) -> None:
        """Prepare the backbone, once, after both are built: hooks, recorded attention.

        No parameter of the backbone may be added, removed or renamed, or pretrained weights would land elsewhere.

        Raises:
            ConfigError: The backbone lacks what the head needs.
        """

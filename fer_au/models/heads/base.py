"""What a head promises, and the registry of heads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from fer_au.models.trunk import TrunkOutput
from fer_au.registry import Registry, construct

if TYPE_CHECKING:
    from fer_au.models.backbones import Backbone


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

    def attach(self, backbone: Backbone) -> None:
        """Prepare the backbone, once, after both are built: hooks, recorded attention.

        No parameter of the backbone may be added, removed or renamed, or pretrained weights would land elsewhere.

        Raises:
            ConfigError: The backbone lacks what the head needs.
        """


HEADS: Registry[type[Head]] = Registry(
    "head",
    "fer_au.heads",
    built_in={
        "acol": "fer_au.models.heads.acol",
        "adl": "fer_au.models.heads.adl",
        "apvit": "fer_au.models.heads.apvit",
        "gap": "fer_au.models.heads.gap",
        "lan": "fer_au.models.heads.lan",
        "mlp": "fer_au.models.heads.mlp",
        "multiscale": "fer_au.models.heads.multiscale",
        "prm": "fer_au.models.heads.prm",
        "ts_cam": "fer_au.models.heads.ts_cam",
        "wildcat": "fer_au.models.heads.wildcat",
    },
)


def list_heads() -> list[str]:
    """Names of the available heads."""
    return HEADS.names()


def create_head(name: str, channels: int, classes: int, options: dict[str, object]) -> Head:
    """Make a head with fresh weights.

    Raises:
        UnknownNameError: There is no such head; near names are listed.
        ConfigError: An option that it doesn't have, or a bad value.
    """
    return construct(HEADS, name, options, channels, classes, where="model.head_options: ")

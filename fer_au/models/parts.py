"""The two parts of every classifier: a trunk that makes feature maps, and a head that scores them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from fer_au.config.options import PartOptions
from fer_au.config.unread import no_effect
from fer_au.errors import ConfigError


class TrunkOutput(NamedTuple):
    """Features of a batch.

    Attributes:
        final: Map that the head reads, (N, c, h, w): the last layer of most CNNs, the normed tokens of transformers.
        features: Layer name -> (N, c, h, w), in network order.
        attentions: Attention matrices of a transformer that records them, one per block: (N, heads, tokens, tokens)
            after the softmax, class token and other extra tokens first. Empty otherwise.
        context: Final map of the whole picture, (N, c, h, w), for models that see it beside the face; None otherwise.
        scores: Class scores, (N, classes) float32, of a network that was made elsewhere and scores itself; None of
            all others, whose head does.
    """

    final: Tensor
    features: dict[str, Tensor]
    attentions: tuple[Tensor, ...] = ()
    context: Tensor | None = None
    scores: Tensor | None = None


class Trunk(nn.Module, ABC):
    """Base of the part of a network that makes feature maps.

    Attributes:
        name: Name of the architecture.
        network: timm model of a timm backbone, with timm's names of modules; networks of the project have none.
        layers: Names of the feature layers, ``"1"`` to ``"L"`` in network order.
        channels: Channels of the final map.
        dropped: Names of tensors, or their first parts, that belong to the architecture's own classifier, which was
            left out; weights files may contain them.
        removed: Names of the tensors that ``cut_after`` took away; weights files contain them.
    """

    name: str
    network: Any
    layers: tuple[str, ...]
    channels: int
    dropped: tuple[str, ...] = ()
    removed: frozenset[str] = frozenset()

    @property
    def has_class_token(self) -> bool:
        """Whether it is a transformer whose first token stands for the whole image."""
        return False

    def cut(self, layer: str) -> None:
        """End the network after one of its layers: what follows is removed, and the layer's map becomes the final one.

        ``layers``, ``removed`` and what else needs no knowledge of the architecture is left to ``cut_after``.

        Args:
            layer: Name of the layer, not the last.

        Raises:
            ConfigError: The architecture can't be cut.
        """
        raise ConfigError(f"model.cut_after: backbone {self.name!r} can't be cut")

    def block_stages(self) -> list[tuple[list[nn.Module], int]]:
        """List the stages that are made of blocks of convolutions, in network order: blocks, channels of their maps."""
        return []

    def record_attention(self) -> None:
        """Give the attention matrices of all blocks from now on (``TrunkOutput.attentions``); costs time and memory.

        Raises:
            ConfigError: The architecture has no attention over the whole image.
        """
        raise ConfigError(f"backbone {self.name!r} has no attention over the whole image")

    @contextmanager
    def attention_recorded(self) -> Iterator[None]:
        """Give the attention matrices of all blocks for a while; the trunk is left as it was.

        Raises:
            ConfigError: The architecture has no attention over the whole image.
        """
        raise ConfigError(f"backbone {self.name!r} has no attention over the whole image")
        yield

    @abstractmethod
    def forward(self, x: Tensor) -> TrunkOutput:
        """Compute the features of normalised images (N, in_chans, H, W)."""


def cut_after(trunk: Trunk, number: int) -> None:
    """End a network after one of its layers, so that heads read an inner layer's map and nothing lies unused behind it.

    Args:
        trunk: Fresh trunk.
        number: Number of the layer.

    Raises:
        ConfigError: There is no such layer, it is the last one, or the architecture can't be cut.
    """
    owner, count = f"backbone {trunk.name!r}", len(trunk.layers)
    if number > count:
        raise ConfigError(f"model.cut_after: {number} is more than the {count} layers of {owner}")
    if number == count:
        raise ConfigError(f"model.cut_after: {no_effect(f'{number} is the last layer of {owner}')}")
    before = set(trunk.state_dict())
    trunk.cut(trunk.layers[number - 1])
    trunk.layers = trunk.layers[:number]
    trunk.removed = frozenset(before - set(trunk.state_dict()))


class HeadOutput(NamedTuple):
    """Scores of a batch.

    Attributes:
        logits: Class scores, (N, classes) float32.
        attention: Attention map of the head itself, (N, h, w) float32; None if it has none.
        auxiliary: More logits (N, classes), each trained with the same label; they play no part in predictions.
    """

    logits: Tensor
    attention: Tensor | None = None
    auxiliary: tuple[Tensor, ...] = ()


class Head(nn.Module, ABC):
    """Base of heads: class scores and class maps from a trunk's features.

    Whatever autocast does, the model calls ``forward`` and ``class_maps`` outside of it, with a float32 final map and
    context (see ``in_float32``). A head that has options declares them in a nested class ``Options``, annotates its
    attribute ``options`` with it, and hands its constructor's keyword arguments on to this one.

    Args:
        channels: Channels of the trunk's final map.
        classes: Number of classes.
        options: Options of the head (``model.head_options``).

    Attributes:
        Options: Options of the head, with types, defaults and descriptions.
        views: Pictures of each face that the head needs: 1, or 2 with the whole picture, whose final map is
            ``context``.
        shared_backbone: Whether one backbone sees all views.
        options: Options of this instance.
    """

    Options: ClassVar[type[PartOptions]] = PartOptions
    views: ClassVar[int] = 1
    shared_backbone: bool = True
    options: PartOptions

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__()
        self.options = self.Options.model_validate(options)

    @abstractmethod
    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features.

        Args:
            trunk: Features of N images.
            labels: (N,) int64 class indices or None. Given in training only, for heads that learn with them.
        """

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """Compute the native evidence map of each class, (N, classes, h, w) float32, signed and without bias.

        This default, for heads that define none, weighs each channel by the mean gradient of the class's logit, which
        is Grad-CAM (Selvaraju et al., ICCV 2017) before its rectification. Differentiable where gradients are on.
        """
        wanted = torch.is_grad_enabled()
        final = trunk.final
        with torch.enable_grad():
            final = final if wanted and final.requires_grad else final.detach().requires_grad_()
            logits = self(trunk._replace(final=final)).logits
            maps = []
            for scores in logits.sum(0):
                (gradient,) = torch.autograd.grad(scores, final, retain_graph=True, create_graph=wanted)
                maps.append((gradient.mean((2, 3), keepdim=True) * final).sum(1))
            stacked = torch.stack(maps, dim=1)
        return stacked if wanted else stacked.detach()

    def attach(self, backbone: Trunk) -> None:
        """Prepare the backbone once, after both are built: add hooks, record attention.

        No parameter of the backbone may be added, removed or renamed, or pretrained weights would land elsewhere.

        Raises:
            ConfigError: The backbone lacks what the head needs.
        """


@contextmanager
def in_float32(trunk: TrunkOutput) -> Iterator[TrunkOutput]:
    """Leave autocast for a while, and give a head its features in float32: the final map and the context."""
    context = None if trunk.context is None else trunk.context.float()
    device = trunk.final.device.type
    # Where shapes alone are computed there is no autocast to leave.
    with nullcontext() if device == "meta" else torch.autocast(device, enabled=False):
        yield trunk._replace(final=trunk.final.float(), context=context)

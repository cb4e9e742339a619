"""The classifier: a backbone with visible feature layers and a head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fer_au.config.experiments import ModelConfig
from fer_au.config.reading import validate
from fer_au.errors import ConfigError
from fer_au.models.backbones import Backbone
from fer_au.models.classes import check_classes
from fer_au.models.heads.base import HEADS, create_head
from fer_au.models.layers import resolve_layers
from fer_au.models.nets.base import NETS
from fer_au.models.parts import Head, HeadOutput, Trunk, TrunkOutput
from fer_au.registry import call_with_options

DEFAULT_HEAD = "gap"

_NOT_OF_NETS = {
    "head": "it has a head of its own",
    "output_stride": "its strides are fixed",
    "large_maps": "its strides are fixed",
}


class ModelOutput(NamedTuple):
    """What a model computes for a batch.

    Attributes:
        logits: (N, classes) float32.
        features: Layer name -> (N, c, h, w), in network order.
        attention: The head's own attention map (N, h, w), or None.
        auxiliary: More logits (N, classes) that are trained with the same label, and play no part in predictions.
        trunk: What the head was given.
    """

    logits: Tensor
    features: dict[str, Tensor]
    attention: Tensor | None
    auxiliary: tuple[Tensor, ...]
    trunk: TrunkOutput

    @property
    def final(self) -> Tensor:
        """(N, c, h, w): the map that the head receives."""
        return self.trunk.final


class FerModel(nn.Module):
    """An expression classifier.

    Attributes:
        config: What it was built from.
        classes: Canonical labels, in the order of the logits.
        layers: Names of the feature layers, ``"1"`` to ``"L"`` in network order.
        views: Pictures that one input stacks in its channels: the face, and for some heads the whole picture. Features,
            attention and class maps are the face's.
        backbone: Of the face, and of the whole picture unless this has its own.
        context_backbone: Of the whole picture, or None.
    """

    def __init__(self, config: ModelConfig, classes: Sequence[str]) -> None:
        super().__init__()
        self.config = config
        self.classes = check_classes(classes)
        self.backbone: nn.Module
        self.context_backbone: nn.Module | None = None
        if config.backbone in NETS.names():
            trunk, self.head = _build_net(config, len(self.classes))
            self.backbone, self.layers = trunk, trunk.layers
        else:
            backbone = Backbone(config)
            self.backbone, self.layers = backbone, backbone.layers
            name = config.head or DEFAULT_HEAD
            self.head = create_head(name, backbone.channels, len(self.classes), config.head_options)
            self.head.attach(backbone)
            if not self.head.shared_backbone:
                self.context_backbone = Backbone(config)
        self.views = self.head.views

    def forward(self, x: Tensor, labels: Tensor | None = None) -> ModelOutput:
        """Classify images.

        Args:
            x: (N, views * in_chans, H, W), normalised.
            labels: (N,) class indices, in training only: some heads learn with them.
        """
        trunk = self.trunk(x)
        scores: HeadOutput = self.head(trunk, labels)
        return ModelOutput(scores.logits, trunk.features, scores.attention, scores.auxiliary, trunk)

    def train(self, mode: bool = True) -> FerModel:
        """Switch modes; the batch norms of frozen layers stay in evaluation mode, and their statistics as they are."""
        super().train(mode)
        for module in _frozen_norms(self):
            module.training = False
        return self

    def trunk(self, x: Tensor) -> TrunkOutput:
        """What the head is given for images; arguments as in ``forward``."""
        if self.views == 1:
            alone: TrunkOutput = self.backbone(x)
            return alone
        face, context = x.chunk(2, dim=1)
        if self.context_backbone is not None:
            own: TrunkOutput = self.backbone(face)
            return own._replace(context=self.context_backbone(context).final)
        # One pass for both, so that batch norms see in training the mixture that they see later.
        both: TrunkOutput = self.backbone(torch.cat([face, context]))
        count = len(x)
        return TrunkOutput(
            both.final[:count],
            {layer: maps[:count] for layer, maps in both.features.items()},
            tuple(attention[:count] for attention in both.attentions),
            context=both.final[count:],
        )

    def class_maps(self, output: ModelOutput) -> Tensor:
        """The native CAM of every class, (N, classes, h, w) float32, signed, without bias; differentiable."""
        maps: Tensor = self.head.class_maps(output.trunk)
        return maps

    def resolve_layers(self, spec: str | Iterable[str | int]) -> tuple[str, ...]:
        """Layer names of a configured choice: ``"last"``, ``"all"``, numbers; see ``fer_au.models.resolve_layers``."""
        return resolve_layers(spec, self.layers, f"backbone {self.config.backbone!r}")

    def grid_sizes(self, image_size: int) -> dict[str, tuple[int, int]]:
        """Rows and columns of each layer for square images, found by one forward pass without gradients.

        Raises:
            ConfigError: The backbone or the head can't take images of this size.
        """
        weight = next(self.parameters())
        shape = (1, self.views * self.config.in_chans, image_size, image_size)
        probe = torch.zeros(shape, device=weight.device, dtype=weight.dtype)
        with evaluating(self), torch.no_grad():
            try:
                features: dict[str, Tensor] = self(probe).features
            except (RuntimeError, AssertionError, ValueError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise ConfigError(
                    f"backbone {self.config.backbone!r} can't take images of {image_size} pixels: {reason}"
                ) from error
        return {name: (int(maps.shape[2]), int(maps.shape[3])) for name, maps in features.items()}


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; each module gets its own mode back, frozen ones included."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def count_views(config: ModelConfig) -> int:
    """How many pictures of each face a model takes: 1, or 2 with the whole picture.

    Raises:
        UnknownNameError: There is no such head.
    """
    return 1 if config.backbone in NETS.names() else HEADS.get(config.head or DEFAULT_HEAD).views


def _frozen_norms(model: nn.Module) -> Iterator[nn.Module]:
    """Layers with running statistics whose parameters are frozen; where they have none, those of the block around."""
    for name, module in model.named_modules():
        if getattr(module, "running_mean", None) is None:
            continue
        parts = name.split(".")
        around = (model.get_submodule(".".join(parts[:depth])) for depth in range(len(parts), 0, -1))
        parameters = next(filter(None, (list(block.parameters()) for block in around)), [])
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            yield module


def create_model(
    config: ModelConfig | Mapping[str, Any], classes: Sequence[str], *, seed: int | None = None
) -> FerModel:
    """Build a classifier with fresh weights.

    Args:
        config: The ``model`` mapping of an experiment, plain or typed.
        classes: Canonical labels in canonical order; they become the order of the logits.
        seed: Of the weights; torch's global random state is then left as it was. None draws from the global state,
            which the caller seeds.

    Raises:
        UnknownNameError: Unknown backbone or head; near names are listed.
        ConfigError: A bad key or value, or an option that the backbone doesn't support.

    Example:
        >>> import torch
        >>> config = {"backbone": "test_resnet", "output_stride": 8, "head": "gap"}
        >>> model = create_model(config, ["neutral", "happiness", "anger"], seed=0)
        >>> output = model(torch.zeros(2, 3, 64, 64))
        >>> output.logits.shape, output.features[model.layers[-1]].shape[-2:]
        (torch.Size([2, 3]), torch.Size([8, 8]))
    """
    typed = config if isinstance(config, ModelConfig) else validate(ModelConfig, config, "", "model")
    if seed is None:
        return FerModel(typed, classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FerModel(typed, classes)


def _build_net(config: ModelConfig, classes: int) -> tuple[Trunk, Head]:
    """The two parts of a whole network.

    Raises:
        ConfigError: A setting that it would ignore, an option that it doesn't have, or a bad value.
    """
    for key, reason in _NOT_OF_NETS.items():
        if getattr(config, key):
            raise ConfigError(f"model.{key}: network {config.backbone!r} doesn't take it: {reason}")
    if config.weights == "imagenet":
        raise ConfigError(f"model.weights: there are no ImageNet weights of network {config.backbone!r}")
    net, name = NETS.get(config.backbone), f"network {config.backbone!r}: "
    trunk = call_with_options(
        net.trunk, config.backbone_options, config.in_chans, where=f"model.backbone_options: {name}"
    )
    head = call_with_options(
        net.head, config.head_options, trunk.channels, classes, where=f"model.head_options: {name}"
    )
    return trunk, head

"""The classifier: a backbone with visible feature layers and a head."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor, nn

from fer_au.config.experiments import ModelConfig
from fer_au.config.reading import validate
from fer_au.errors import ConfigError
from fer_au.models.backbones import Backbone
from fer_au.models.classes import check_classes
from fer_au.models.heads.base import HEADS, create_head
from fer_au.models.nets.base import NETS, Net, create_net
from fer_au.models.parts import Head, HeadOutput, TrunkOutput, in_float32

DEFAULT_HEAD = "gap"

_NOT_OF_NETS = {
    "head": "it has a head of its own",
    "output_stride": "its strides are fixed",
    "large_maps": "its strides are fixed",
}


class ModelOutput(NamedTuple):
    """Output of a model for a batch.

    Attributes:
        logits: Class scores, (N, classes) float32.
        features: Layer name -> (N, c, h, w), in network order.
        attention: Attention map of the head itself, (N, h, w); None if it has none.
        auxiliary: More logits (N, classes) that are trained with the same label, and play no part in predictions.
        trunk: Output of the backbone, from which the head computed the scores.
    """

    logits: Tensor
    features: dict[str, Tensor]
    attention: Tensor | None
    auxiliary: tuple[Tensor, ...]
    trunk: TrunkOutput

    @property
    def final(self) -> Tensor:
        """Map that the head reads, (N, c, h, w), in the backbone's precision."""
        return self.trunk.final


class FerModel(nn.Module):
    """Expression classifier.

    Args:
        config: The ``model`` of an experiment.
        classes: Canonical labels in canonical order.

    Attributes:
        config: Configuration that the model was built from.
        classes: Canonical labels, in the order of the logits.
        layers: Names of the feature layers, ``"1"`` to ``"L"`` in network order.
        views: Pictures that one input stacks in its channels: the face, and for some heads the whole picture. Features,
            attention and class maps are the face's.
        backbone: Trunk that sees the face, and the whole picture unless that has a trunk of its own.
        context_backbone: Trunk that sees the whole picture; None if there is no such trunk.
        head: Classifier on the trunk's features.
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
            x: Normalised images (N, views * in_chans, H, W).
            labels: Class indices (N,), in training only: some heads learn with them.
        """
        trunk = self.trunk(x)
        with in_float32(trunk) as exact:
            scores: HeadOutput = self.head(exact, labels)
        return ModelOutput(scores.logits, trunk.features, scores.attention, scores.auxiliary, trunk)

    def train(self, mode: bool = True) -> FerModel:
        """Switch modes; the batch norms of frozen layers stay in evaluation mode, and their statistics as they are."""
        super().train(mode)
        for module in _frozen_norms(self):
            module.training = False
        return self

    def trunk(self, x: Tensor) -> TrunkOutput:
        """Compute the features of images; arguments as in ``forward``."""
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
        """Compute the native CAM of every class, (N, classes, h, w) float32, signed, without bias; differentiable."""
        with in_float32(output.trunk) as exact:
            maps: Tensor = self.head.class_maps(exact)
        return maps

    def resolve_layers(self, spec: str | Iterable[str | int]) -> tuple[str, ...]:
        """Turn a configured choice of layers into names; see ``fer_au.models.resolve_layers``."""
        return resolve_layers(spec, self.layers, f"backbone {self.config.backbone!r}")

    def grid_sizes(self, image_size: int) -> dict[str, tuple[int, int]]:
        """Find rows and columns of each layer for square images, by one forward pass without gradients.

        Args:
            image_size: Side of the images, pixels.

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
    """Put a model into evaluation mode for a while; each module gets its own mode back, frozen ones included."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def count_views(config: ModelConfig) -> int:
    """Count the pictures of each face that a model takes: 1, or 2 with the whole picture.

    Raises:
        UnknownNameError: There is no such head.
    """
    in_net = config.backbone in NETS.names()
    head = NETS.get(config.backbone).head if in_net else HEADS.get(config.head or DEFAULT_HEAD)
    return head.views


def _frozen_norms(model: nn.Module) -> Iterator[nn.Module]:
    """Find layers with running statistics whose parameters, or else those of the block around them, are frozen."""
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
        seed: Seed of the weights; torch's global random state is then left as it was. None draws from the global
            state, which the caller seeds.

    Raises:
        UnknownNameError: There is no such backbone or head; near names are listed.
        ConfigError: A bad key or value, or an option that backbone or head doesn't support.

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


def find_net_faults(config: ModelConfig) -> list[str]:
    """List the settings that a whole network would ignore, or can't have; each text names its key."""
    faults = [
        f"model.{key}: network {config.backbone!r} doesn't take it: {reason}"
        for key, reason in _NOT_OF_NETS.items()
        if getattr(config, key)
    ]
    if config.weights == "imagenet":
        faults.append(f"model.weights: there are no ImageNet weights of network {config.backbone!r}")
    return faults


def _build_net(config: ModelConfig, classes: int) -> tuple[Net, Head]:
    """Build the two parts of a whole network.

    Raises:
        ConfigError: A setting that the network would ignore, or a bad option.
    """
    for text in find_net_faults(config):
        raise ConfigError(text)
    return create_net(config.backbone, config.in_chans, classes, config.backbone_options, config.head_options)


def resolve_layers(spec: str | Iterable[str | int], layers: Sequence[str], owner: str = "the model") -> tuple[str, ...]:
    """Turn a configured choice of layers into layer names, ``"1"`` to ``"L"`` as the AU-cue paper numbers them.

    Args:
        spec: ``"all"``, ``"last"``, a number, or a list of these.
        layers: Layers of the model, in network order.
        owner: Owner of the layers, used in messages.

    Returns:
        Distinct names in network order.

    Raises:
        ConfigError: An empty choice, or a layer that the model doesn't have.
    """
    chosen: set[str] = set()
    for item in [spec] if isinstance(spec, str) else spec:
        name = str(item)
        if name == "all":
            chosen.update(layers)
        elif name == "last":
            chosen.add(layers[-1])
        elif name in layers:
            chosen.add(name)
        else:
            raise ConfigError(
                f"unknown feature layer {name!r}: {owner} has {layers[0]} (first) to {layers[-1]} (last), "
                "or use 'last' or 'all'"
            )
    if not chosen:
        raise ConfigError(f"no feature layer is chosen: name some of {owner}, or 'last' or 'all'")
    return tuple(name for name in layers if name in chosen)


def list_backbones(pattern: str = "*") -> list[str]:
    """List the names of the available backbones: whole networks of the project, and timm's architectures.

    Args:
        pattern: Shell-style filter such as ``"resnet*"``.

    Example:
        >>> list_backbones("gimefive-1*")
        ['gimefive-10', 'gimefive-13', 'gimefive-15', 'gimefive-15d', 'gimefive-16', 'gimefive-17']
    """
    return [*fnmatch.filter(NETS.names(), pattern), *map(str, timm.list_models(pattern))]

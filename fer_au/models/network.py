"""The classifier: a backbone with visible feature layers and a head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from fer_au.answers import check_array, describe
from fer_au.arguments import check_type, plain, read_list, read_seed
from fer_au.array_arguments import read_array
from fer_au.config.external import EXTERNAL
from fer_au.config.model import DEFAULT_HEAD, ModelConfig
from fer_au.config.options import construct_part
from fer_au.config.reading import validate
from fer_au.errors import ArgumentError, ConfigError, PartError
from fer_au.models.classes import check_classes
from fer_au.models.external import ExternalTrunk, OwnScores, open_network
from fer_au.models.heads.base import HEADS, create_head
from fer_au.models.nets.base import NETS, Net, own_head
from fer_au.models.parts import Head, HeadOutput, Trunk, TrunkOutput, in_float32
from fer_au.models.targets import read_target
from fer_au.models.trunks import create_trunk

if TYPE_CHECKING:
    from fer_au.models.pretrained import PretrainedWeights


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
        trunk: The trunk that the configuration names, where the caller has it; None makes it.

    Attributes:
        config: Configuration that the model was built from.
        classes: Canonical labels, in the order of the logits.
        layers: Names of the feature layers, ``"1"`` to ``"L"`` in network order.
        views: Pictures that one input stacks in its channels: the face, and for some heads the whole picture. Features,
            attention and class maps are the face's.
        backbone: Trunk that sees the face, and the whole picture unless that has a trunk of its own.
        context_backbone: Trunk that sees the whole picture; None if there is no such trunk.
        head: Classifier on the trunk's features.
        pretrained: Record of the pretrained weights that the backbones were given here; None for fresh weights, and for
            those of a model's folder, whose ``config.json`` says it.
    """

    def __init__(self, config: ModelConfig, classes: Sequence[str], trunk: Trunk | None = None) -> None:
        super().__init__()
        self.config = check_type("config", config, ModelConfig, "a ModelConfig; create_model takes mappings")
        self.classes = check_classes(classes)
        self.backbone: nn.Module
        self.context_backbone: nn.Module | None = None
        given = check_type("trunk", trunk, (Trunk, type(None)), "a trunk of fer_au.models.parts, or None")
        trunk = create_trunk(config) if given is None else given
        self.backbone, self.layers = trunk, trunk.layers
        self.head = _create_head(config, trunk.channels, self.classes)
        self.head.attach(trunk)
        if not self.head.shared_backbone:
            self.context_backbone = create_trunk(config)
        self.views = self.head.views
        self.pretrained: PretrainedWeights | None = None

    @property
    def scores_itself(self) -> bool:
        """Whether it is a network that was made elsewhere, whose scores no head can compute of its final map."""
        return isinstance(self.backbone, ExternalTrunk)

    @property
    def has_gradients(self) -> bool:
        """Whether its scores can be differentiated: not those of a file."""
        return not isinstance(self.backbone, ExternalTrunk) or self.backbone.has_gradients

    def forward(self, x: Tensor, labels: Tensor | None = None) -> ModelOutput:
        """Classify images.

        Args:
            x: Normalised images (N, views * in_chans, H, W) of any float type.
            labels: Class indices (N,), in training only: some heads learn with them.

        Raises:
            ArgumentError: ``x`` or ``labels`` is something else, or the backbone can't take images of this size.
        """
        if not torch.compiler.is_compiling():
            x = read_input("x", x, self)
            labels = labels if labels is None else _read_labels(labels, x, self.classes)
        trunk = self.trunk(x)
        with in_float32(trunk) as exact:
            scores = self.score(exact, labels)
        return ModelOutput(scores.logits, trunk.features, scores.attention, scores.auxiliary, trunk)

    def score(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Score features by the head, and check what it gives; arguments as in ``Head.forward``.

        Raises:
            PartError: Scores or the head's attention have another shape.
        """
        scores: object = self.head(trunk, labels)
        title, images = HEADS.title(self.head), trunk.final.shape[0]
        if not isinstance(scores, HeadOutput):
            raise PartError(f"{title} gave a value of type {type(scores).__name__}, expected a HeadOutput")
        check_array(title, "logits", scores.logits, (images, len(self.classes)))
        for logits in scores.auxiliary:
            check_array(title, "auxiliary logits", logits, (images, len(self.classes)))
        if scores.attention is not None:
            check_array(title, "attention", scores.attention, (images, "h", "w"))
        return scores

    def train(self, mode: bool = True) -> FerModel:
        """Switch modes; the batch norms of frozen layers stay in evaluation mode, and their statistics as they are."""
        super().train(mode)
        for module in _frozen_norms(self):
            module.training = False
        return self

    def trunk(self, x: Tensor) -> TrunkOutput:
        """Compute the features of images; arguments as in ``forward``.

        Raises:
            ArgumentError: The backbone can't take images of this size.
        """
        if torch.compiler.is_compiling():
            return self._trunk(x)
        try:
            return self._trunk(x)
        except AssertionError as error:  # timm's way to say that an image's size doesn't fit
            size, reason = f"{x.shape[3]}x{x.shape[2]}", str(error).partition("\n")[0]
            raise ArgumentError(f"x: {self.config.backbone!r} can't take images of {size}: {reason}") from error

    def _trunk(self, x: Tensor) -> TrunkOutput:
        if self.views == 1:
            return _features(self.backbone, x)
        face, context = x.chunk(2, dim=1)
        if self.context_backbone is not None:
            own = _features(self.backbone, face)
            return own._replace(context=_features(self.context_backbone, context).final)
        # One pass for both, so that batch norms see in training the mixture that they see later.
        both = _features(self.backbone, torch.cat([face, context]))
        count = x.shape[0]
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
        check_array(HEADS.title(self.head), "class maps", maps, (len(exact.final), len(self.classes), "h", "w"))
        return maps

    def resolve_layers(self, spec: str | int | Iterable[str | int]) -> tuple[str, ...]:
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
        shape = (1, self.views * self.config.channels, image_size, image_size)
        probe = torch.zeros(shape, device=weight.device, dtype=weight.dtype)
        with evaluating(self), torch.no_grad():
            try:
                features: dict[str, Tensor] = self(probe).features
            except (RuntimeError, AssertionError, ValueError) as raised:
                error = raised.__cause__ if isinstance(raised, ArgumentError) and raised.__cause__ else raised
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise ConfigError(
                    f"backbone {self.config.backbone!r} can't take images of {image_size} pixels: {reason}"
                ) from error
        return {name: (int(maps.shape[2]), int(maps.shape[3])) for name, maps in features.items()}


def _features(trunk: nn.Module, x: Tensor) -> TrunkOutput:
    """Compute the features of images by one trunk, and check those of a whole network.

    Raises:
        PartError: The network gave something else than the maps of its layers.
    """
    output: TrunkOutput = trunk(x)
    if isinstance(trunk, Net):
        title = NETS.title(trunk)
        if not isinstance(output, TrunkOutput):
            raise PartError(f"{title} gave a value of type {type(output).__name__}, expected a TrunkOutput")
        check_array(title, "final map", output.final, (x.shape[0], trunk.channels, "h", "w"))
        if tuple(output.features) != trunk.layers:
            raise PartError(f"{title} gave the layers {list(output.features)}, expected {list(trunk.layers)}")
        for layer, maps in output.features.items():
            check_array(title, f"layer {layer!r}", maps, (x.shape[0], "c", "h", "w"))
    return output


def check_model(name: str, model: object) -> FerModel:
    """Check that an argument is a classifier of the project.

    Raises:
        ArgumentError: It is something else, such as a network of another library.
    """
    return check_type(name, model, FerModel, "a classifier made by fer_au.models.create_model or load_model")


def read_input(name: str, x: object, model: FerModel) -> Tensor:
    """Read a batch of normalised images for a model, in the type of its weights unless autocast chooses another.

    Raises:
        ArgumentError: It has another type, shape or device, or no pixel.
    """
    images: Tensor = read_array(name, x, ("N", model.views * model.config.channels, "H", "W"), "float", "torch")
    weight = next(model.parameters())
    if images.device != weight.device:
        device = str(weight.device)
        raise ArgumentError(f"{name}: is on {images.device}, and the model on {device}; write {name}.to({device!r})")
    if 0 in images.shape[2:]:
        raise ArgumentError(f"{name}: expected images with pixels, got {describe(images)}")
    if images.dtype == weight.dtype or torch.is_autocast_enabled(weight.device.type):
        return images
    return images.to(weight.dtype)


def _read_labels(labels: object, x: Tensor, classes: Sequence[str]) -> Tensor:
    """Read the labels of a batch; the values of a tensor are not looked at, which would wait for the device."""
    if isinstance(labels, Tensor):
        indices: Tensor = read_array("labels", labels, (len(x),), "integer")
        return indices.to(x.device, torch.int64)
    return read_target("labels", labels, len(x), classes).to(x.device)


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
    return (own_head(config.backbone) or HEADS.get(config.head or DEFAULT_HEAD)).views


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


def build_model(
    config: ModelConfig | Mapping[str, Any], classes: Sequence[str], *, seed: int | None = None
) -> FerModel:
    """Build a classifier with fresh weights, whatever ``weights`` its configuration names.

    So it is for whoever brings the weights: a model's folder, the training, or a check that asks for shapes alone.
    ``create_model`` is for everyone else.

    Args:
        config: As in ``create_model``.
        classes: As in ``create_model``.
        seed: As in ``create_model``.

    Raises:
        UnknownNameError: There is no such backbone or head; near names are listed.
        ConfigError: A bad key or value, or an option that backbone or head doesn't support.
        ArgumentError: ``classes`` or ``seed`` is something else.
    """
    seed = None if seed is None else read_seed("seed", seed)
    typed = config if isinstance(config, ModelConfig) else validate(ModelConfig, config, "", "model")
    if seed is None:
        return FerModel(typed, classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FerModel(typed, classes)


def build_external(config: Mapping[str, Any], classes: Sequence[str], tensors: Mapping[str, Tensor]) -> FerModel:
    """Build a classifier that was made elsewhere, of what its folder keeps.

    Args:
        config: Entry ``model`` of its ``config.json``, with backbone ``external``; who calls this has seen to its code.
        classes: Its classes.
        tensors: Its tensors by name, among which the file lies that it is, where no code makes it.

    Raises:
        ConfigError: It can't be made, the configuration is wrong, or the file is missing.
    """
    typed = validate(ModelConfig, config, "", "model")
    return FerModel(typed, classes, ExternalTrunk(typed, open_network(typed, tensors)))


def _create_head(config: ModelConfig, channels: int, names: Sequence[str]) -> Head:
    """Make the head with fresh weights: a whole network's own, or the one that the configuration names."""
    classes = len(names)
    if config.backbone == EXTERNAL:
        return OwnScores(config, names)
    own = own_head(config.backbone)
    if own is None:
        return create_head(config.head or DEFAULT_HEAD, channels, classes, config.head_options)
    owner = f"{NETS.kind} {config.backbone!r}"
    return construct_part(own, config.head_options, channels, classes, key="model.head_options", owner=owner)


def resolve_layers(
    spec: str | int | Iterable[str | int], layers: Sequence[str], owner: str = "the model"
) -> tuple[str, ...]:
    """Turn a configured choice of layers into layer names, ``"1"`` to ``"L"`` as the AU-cue paper numbers them.

    Args:
        spec: ``"all"``, ``"last"``, a number, or a list of these.
        layers: Layers of the model, in network order.
        owner: Owner of the layers, used in messages.

    Returns:
        Distinct names in network order.

    Raises:
        ConfigError: An empty choice, or a layer that the model doesn't have.
        ArgumentError: It is something else.
    """
    chosen: set[str] = set()
    alone = isinstance(plain(spec), str | int)
    for item in [spec] if alone else read_list("layers", spec, "numbers of layers, 'last' or 'all'"):
        if isinstance(plain(item), bool) or not isinstance(plain(item), str | int):
            raise ArgumentError(f"layers: expected numbers of layers, 'last' or 'all', got {describe(item)}")
        name = str(plain(item))
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

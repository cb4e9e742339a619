"""A network that was made elsewhere, as a trunk that scores itself: its own layers, input and classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fer_au.config.external import ONNX, InputConfig, has_gradients, is_file
from fer_au.config.model import ModelConfig
from fer_au.errors import ArgumentError, ConfigError, DataError
from fer_au.models.factory import BYTES, make_network, reason
from fer_au.models.onnx_network import OnnxNetwork, read_file
from fer_au.models.parts import Head, HeadOutput, Trunk, TrunkOutput
from fer_au.models.pt2_file import Program, read_program
from fer_au.models.pt2_network import WEIGHTS, Pt2Network
from fer_au.models.taps import Taps

_PROBED = 2  # pictures by which a network is looked at, so that it must keep them apart
_ALIKE = 1e-3  # of sums of probabilities, which half precision rounds


class ExternalTrunk(Trunk):
    """A foreign ``torch.nn.Module``, whose modules' outputs are its feature layers.

    Args:
        config: The ``model`` of an experiment, with backbone ``external``.
        network: The network; its parameters stay where they are.

    Attributes:
        network: The network.
        modules_of_layers: Number of a layer -> name of the network's module.

    Raises:
        ConfigError: The network doesn't take such pictures, has no such layers or other classes.
    """

    def __init__(self, config: ModelConfig, network: nn.Module) -> None:
        super().__init__()
        assert config.input is not None  # noqa: S101 (the configuration needs it)
        self._input: InputConfig = config.input
        self.name = config.backbone
        self.network = network
        if not any(True for _ in network.parameters()):
            # Whoever asks a model for its device and precision asks its first parameter.
            self.anchor = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.layers = tuple(str(number + 1) for number in range(len(config.layers)))
        self.modules_of_layers = dict(zip(self.layers, config.layers, strict=True))
        self._differentiable = has_gradients(config.factory)
        self._classes, self._probabilities = tuple(config.classes), config.scores == "probabilities"
        self._ran: tuple[str, ...] = ()
        self._frozen = [name for name, one in self.named_parameters() if not one.requires_grad]
        self.channels = self._look()

    def forward(self, x: Tensor) -> TrunkOutput:
        """Score normalised images (N, channels, H, W), and keep what the layers gave."""
        # A copy, which foreign code may change in place, in torch's usual order, as it may call view.
        pictures = x.clone(memory_format=torch.contiguous_format)
        if self._input.channels == "bgr":
            pictures = pictures.flip(1)
        try:
            given, found = self._run(pictures)
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(
                f"model.factory: its network failed with pictures of {tuple(pictures.shape)}: {reason(error)}"
            ) from error
        scores = self._scores(given, len(x)).float()
        maps = dict(zip(self.layers, found, strict=True))
        if self._probabilities:
            scores = scores.clamp_min(torch.finfo(scores.dtype).tiny).log()
        return TrunkOutput(maps[self.layers[-1]], maps, scores=scores)

    def _run(self, pictures: Tensor) -> tuple[object, list[Tensor]]:
        """Run the network: what it gives, and the map of each layer."""
        if isinstance(self.network, OnnxNetwork | Pt2Network):
            self._ran = self.network.order
            answer: tuple[object, list[Tensor]] = self.network.answer(pictures)
            return answer
        try:
            # Hooked anew in each pass: the hooks of a copy of the network would keep their maps for the original.
            with closing(Taps(self.network, tuple(self.modules_of_layers.values()), copies=True)) as taps:
                given = self.network(pictures)
                self._ran = taps.order
                return given, taps.maps()
        except ArgumentError as error:
            raise ConfigError(f"model.{error}") from error

    @property
    def image_size(self) -> int:
        """Side of the pictures in pixels."""
        return self._input.size

    def freeze_again(self) -> None:
        """Freeze the parameters that whoever made the network had frozen."""
        parameters = dict(self.named_parameters())
        for name in self._frozen:
            parameters[name].requires_grad_(False)

    @property
    def has_gradients(self) -> bool:
        """Whether scores can be differentiated by features and pictures; not those of an ONNX file."""
        return self._differentiable

    @contextmanager
    def attention_recorded(self) -> Iterator[None]:
        """Refuse: which of the network's modules attend isn't known.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError("an external network's attention matrices aren't known")
        yield

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ExternalTrunk:
        """Move the tensors as torch does, but keep their usual order, since foreign code may call ``view``."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.ndim == 4 and not tensor.is_contiguous():
                tensor.data = tensor.data.contiguous()
        return self

    def _scores(self, given: object, images: int) -> Tensor:
        """Find the scores in what the network gave: a tensor, ``logits`` of a mapping, or the one with the classes."""
        wanted = (images, len(self._classes))
        found = _tensors(given)
        usual = "probabilities" if self._probabilities else "logits"
        if isinstance(given, Mapping) and isinstance(given.get(usual), Tensor):
            found = {usual: given[usual]}
        fitting = [tensor for tensor in found.values() if tuple(tensor.shape) == wanted]
        if len(fitting) == 1:
            return fitting[0]
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}".strip() for name, tensor in found.items())
        shown = shapes or f"a value of type {type(given).__name__}"
        raise ConfigError(
            f"model.classes: they are {len(self._classes)}, so that the network should give one tensor {wanted} for "
            f"{images} pictures; it gave {shown}"
        )

    def _look(self) -> int:
        """Try the network on two pictures of noise, and give the number of channels of its final map.

        Raises:
            ConfigError: It fails, or its answer can't be used.
        """
        size, count = self._input.size, self._input.count
        noise = torch.rand(_PROBED, count, size, size, generator=torch.Generator().manual_seed(0))
        weight = next(self.parameters())
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            with torch.no_grad():
                pixels = (noise - torch.tensor(self._input.mean)[:, None, None]) / torch.tensor(self._input.std)[
                    :, None, None
                ]
                output = self(pixels.to(weight.device, weight.dtype if weight.is_floating_point() else None))
        finally:
            for module, mode in modes:
                module.training = mode
        self._check_order()
        self._check_values(output)
        return int(output.final.shape[1])

    def _check_order(self) -> None:
        """Check that layers are named as they run, since the last one is the headline of every evaluation."""
        names, ran = tuple(self.modules_of_layers.values()), self._ran
        if ran != names:
            raise ConfigError(f"model.layers: they run in the order {', '.join(ran)}; name them so")

    def _check_values(self, output: TrunkOutput) -> None:
        scores = output.scores
        assert scores is not None  # noqa: S101 (forward gives them)
        if not bool(scores.isfinite().all()):
            raise ConfigError("model.factory: its network's scores are NaN or infinite on pictures of noise")
        for layer, maps in output.features.items():
            if not bool(maps.isfinite().all()):
                raise ConfigError(
                    f"model.layers: {self.modules_of_layers[layer]!r} gave NaN or infinite values on pictures of noise"
                )
            if 0 in maps.shape[2:] or math.prod(maps.shape[2:]) < 2:
                name = self.modules_of_layers[layer]
                raise ConfigError(f"model.layers: {name!r} gave a map of one cell, which has no place in the picture")
        given = scores.exp() if self._probabilities else scores
        are_shares = bool(((given.sum(1) - 1).abs() < _ALIKE).all()) and bool((given >= 0).all())
        if are_shares != self._probabilities:
            other, are = ("logits", "no probabilities") if self._probabilities else ("probabilities", "probabilities")
            raise ConfigError(f"model.scores: what the network gives are {are}; write `scores: {other}`")


def open_network(config: ModelConfig, kept: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Make the network that ``model.factory`` names.

    Args:
        config: The ``model`` of an experiment, with backbone ``external``.
        kept: Tensors of a model's folder, in which a file lies, too; None reads the file itself.

    Raises:
        ConfigError: There is none, or it can't be made.
    """
    factory = config.factory or ""
    if not is_file(factory):
        return make_network(factory)
    assert config.input is not None  # noqa: S101 (the configuration needs it)
    if factory.endswith(ONNX):
        return OnnxNetwork(read_file(Path(factory)) if kept is None else _kept_bytes(kept), config.layers, config.input)
    if kept is None:
        return Pt2Network(read_program(read_file(Path(factory))), config.layers, config.input)
    prefix = f"{_NETWORK}{WEIGHTS}."
    tensors = {name.removeprefix(prefix): one for name, one in kept.items() if name.startswith(prefix)}
    return Pt2Network(Program(_kept_bytes(kept), tensors), config.layers, config.input)


def file_tensor() -> str:
    """Name the tensor of a model's folder that holds the file of its network."""
    return f"{_NETWORK}{BYTES}"


_NETWORK = "backbone.network."  # before the names of a network's tensors in a model's folder


def _kept_bytes(kept: Mapping[str, Tensor]) -> bytes:
    """Take a file's bytes out of the tensors of a model's folder."""
    data = kept.get(file_tensor())
    if data is None or data.dtype != torch.uint8 or data.ndim != 1:
        raise ConfigError("model: the network's file is not among its weights")
    return data.cpu().numpy().tobytes()


def check_template(config: ModelConfig, frame: Mapping[str, object], dataset_dir: Path) -> None:
    """Check that crops are cut as those that an external model was trained on.

    Args:
        config: The ``model`` of an experiment.
        frame: Attributes of the data set's faces.h5.
        dataset_dir: Folder of the data set, used in messages.

    Raises:
        DataError: They have another template.
    """
    wanted, found = config.input and config.input.template, frame.get("template")
    if wanted is not None and found is not None and wanted != found:
        raise DataError(
            f"{dataset_dir}: its crops have align.template {found!r}, and model.input.template of the external model "
            f"is {wanted!r}; set datasets.{dataset_dir.name}.align: {{template: {wanted}}}"
        )


def _tensors(given: object) -> dict[str, Tensor]:
    """List the tensors of a network's answer, by name or position."""
    if isinstance(given, Tensor):
        return {"": given}
    items: Any = ()
    if isinstance(given, Mapping):
        items = given.items()
    elif isinstance(given, list | tuple):
        items = enumerate(given)
    return {str(name): one for name, one in items if isinstance(one, Tensor)}


class OwnScores(Head):
    """The scores that an external network gave itself, of the classes that mean expressions.

    Args:
        config: The ``model`` of an experiment, with backbone ``external``.
        names: Canonical labels in canonical order.

    Raises:
        ConfigError: The labels are others than those of ``model.classes``.
    """

    def __init__(self, config: ModelConfig, names: Sequence[str]) -> None:
        super().__init__(0, len(names))
        if tuple(names) != config.outputs:
            raise ConfigError(f"model.classes: they mean {', '.join(config.outputs)}, not {', '.join(names)}")
        means = list(config.classes.values())
        self._places = [means.index(name) for name in names]

    def forward(self, trunk: TrunkOutput, labels: Tensor | None = None) -> HeadOutput:
        """Choose the scores of the expressions; the probabilities of what is left out go to the others."""
        assert trunk.scores is not None  # noqa: S101 (an external trunk gives them)
        return HeadOutput(trunk.scores[:, self._places])

    def class_maps(self, trunk: TrunkOutput) -> Tensor:
        """Refuse: nobody knows how the network scores a place.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError("an external model has no class map of its own; try gradcam, layercam or occlusion")

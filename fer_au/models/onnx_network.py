"""A network that somebody keeps in an ONNX file: run by onnxruntime, its inner tensors read by their names.

A file is data: its operators are onnxruntime's own, and what would lead to other files is refused. Nothing in it has
gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fer_au.config.external import InputConfig
from fer_au.errors import ConfigError, MissingDependencyError
from fer_au.gate import WEIGHTS as MOST_BYTES
from fer_au.gate import read_bytes
from fer_au.models.factory import BYTES, KEY, reason
from fer_au.registry import near_names

if TYPE_CHECKING:
    import onnx

_PACKAGES = ("onnx", "onnxruntime")
_POINTER = b"version https://git-lfs"
_TYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
_BYTE = 255


def read_file(path: Path) -> bytes:
    """Read the file that ``model.factory`` names.

    Raises:
        ConfigError: It is missing, too large, or a pointer to a file that Git LFS has not fetched.
    """
    try:
        data = read_bytes(path, MOST_BYTES)
    except OSError as error:
        raise ConfigError(f"{KEY}: {path}: can't be read ({error.strerror})") from error
    if data.startswith(_POINTER):
        raise ConfigError(f"{KEY}: {path}: is a pointer of Git LFS; `git lfs pull` fetches the file itself")
    return data


def check_packages() -> None:
    """Check that what runs a file is installed.

    Raises:
        MissingDependencyError: A package of the extra ``export`` is not.
    """
    if lacking := [name for name in _PACKAGES if find_spec(name) is None]:
        raise MissingDependencyError(
            f"{KEY}: an ONNX file needs {' and '.join(lacking)}, not installed; run `pip install 'fer-au[export]'`"
        )


class OnnxNetwork(nn.Module):
    """An ONNX file as a module, whose answer is its outputs and the tensors of some layers.

    Args:
        data: Bytes of the file.
        layers: Names of tensors of the graph, (N, c, h, w) or (N, h, w), in the order in which they are computed.
        wanted: The pictures that it gets.

    Attributes:
        order: The layers in the order of the graph.

    Raises:
        ConfigError: It is no such file, onnxruntime refuses it, or it has other inputs or layers.
        MissingDependencyError: The packages of the extra ``export`` are not installed.
    """

    file: Tensor

    def __init__(self, data: bytes, layers: Sequence[str], wanted: InputConfig) -> None:
        super().__init__()
        check_packages()
        self.register_buffer(BYTES, torch.from_numpy(np.frombuffer(data, np.uint8).copy()))
        model = _parsed(data)
        outputs = [one.name for one in model.graph.output]
        self.order = _with_layers(model, layers)
        self._scores = [name for name in outputs if name not in layers] or outputs
        self._session = _session(model)
        self._layers = tuple(layers)
        self._type, self._last, self._alone = self._look_at_input(wanted)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Score normalised pictures (N, channels, H, W); ``answer`` gives the layers, too."""
        return self.answer(pictures)[0]

    def answer(self, pictures: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Score normalised pictures.

        Args:
            pictures: (N, channels, H, W), on any device.

        Returns:
            Output -> tensor, float32; and the map (N, c, h, w) of each layer.

        Raises:
            ConfigError: A layer is no map.
        """
        names = [*dict.fromkeys([*self._scores, *self._layers])]
        given = self._input(pictures)
        parts = np.split(given, len(given)) if self._alone else [given]
        found = [self._session.run(names, {self._name: part}) for part in parts]
        joined = (np.concatenate(column) for column in zip(*found, strict=True))
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(value, np.float32)).to(pictures.device)
            for name, value in zip(names, joined, strict=True)
        }
        return {name: tensors[name] for name in self._scores}, [_map(name, tensors[name]) for name in self._layers]

    def _input(self, pictures: Tensor) -> NDArray[np.generic]:
        pixels = pictures.detach().float().cpu()
        pixels = pixels.permute(0, 2, 3, 1) if self._last else pixels
        if self._type is np.uint8:
            pixels = pixels.round().clamp(0, _BYTE)
        return np.ascontiguousarray(pixels.numpy().astype(self._type))

    def _look_at_input(self, wanted: InputConfig) -> tuple[type[np.generic], bool, bool]:
        """Find type and order of the input, and whether it takes one picture at a time."""
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(one.name for one in inputs)
            raise ConfigError(f"{KEY}: the file has the inputs {names or 'none'}, and pictures are one")
        (one,) = inputs
        self._name, shape = one.name, list(one.shape)
        if one.type not in _TYPES or len(shape) != 4:
            raise ConfigError(f"{KEY}: input {one.name!r} is {one.type} of {shape}, and pictures are (N, c, h, w)")
        last = shape[1] != wanted.count and shape[3] == wanted.count
        channels, sides = (shape[3], shape[1:3]) if last else (shape[1], shape[2:])
        if isinstance(channels, int) and channels != wanted.count:
            raise ConfigError(f"model.input.channels: {wanted.channels} are {wanted.count}; the file takes {shape}")
        if any(isinstance(side, int) and side != wanted.size for side in sides):
            raise ConfigError(f"model.input.size: {wanted.size}; the file takes {shape}")
        if isinstance(shape[0], int) and shape[0] != 1:
            raise ConfigError(f"{KEY}: the file takes {shape[0]} pictures at a time; write it for one, or any number")
        if _TYPES[one.type] is np.uint8 and not wanted.keeps_bytes:
            raise ConfigError(f"model.input: the file takes bytes; write mean: 0 and std: {1 / _BYTE}")
        return _TYPES[one.type], last, shape[0] == 1


def _map(name: str, value: Tensor) -> Tensor:
    if value.ndim == 3:
        return value[:, None]
    if value.ndim != 4:
        raise ConfigError(f"model.layers: {name!r} gave {tuple(value.shape)}, which is no map (N, c, h, w)")
    return value


def _parsed(data: bytes) -> onnx.ModelProto:
    import onnx

    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf raises its own kinds
        raise ConfigError(f"{KEY}: no ONNX file, or a damaged one: {reason(error)}") from error
    if not model.graph.node:
        raise ConfigError(f"{KEY}: no ONNX file, or a damaged one: there is no graph in it")
    newest, operators = onnx.defs.onnx_opset_version(), [one for one in model.opset_import if not one.domain]
    if operators and operators[0].version > newest:
        wanted = operators[0].version
        raise ConfigError(f"{KEY}: the file has ONNX's operators of version {wanted}; what is installed knows {newest}")
    for message in _messages(model):
        if isinstance(message, onnx.TensorProto) and (message.external_data or message.data_location):
            raise ConfigError(
                f"{KEY}: tensor {message.name!r} lies in another file, where none is looked for; write the model as one"
            )
    return model


def _messages(message: Any) -> Iterator[Any]:  # noqa: ANN401 (any of protobuf's messages)
    """List a message and all that it holds, graphs in attributes and functions included."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if hasattr(value, "__len__") and not hasattr(value, "ListFields") else [value]:
                if hasattr(one, "ListFields"):
                    yield from _messages(one)


def _with_layers(model: onnx.ModelProto, layers: Sequence[str]) -> tuple[str, ...]:
    """Make outputs of the layers, and give them in the order of the graph."""
    import onnx

    computed = [name for node in model.graph.node for name in node.output if name]
    for number, name in enumerate(layers):
        if name not in computed:
            near = near_names(name, computed)
            raise ConfigError(f"model.layers[{number}]: the file computes no {name!r}; {near}")
    known = {one.name for one in model.graph.output}
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in layers if name not in known)
    return tuple(sorted(layers, key=computed.index))


def _session(model: onnx.ModelProto) -> Any:  # noqa: ANN401 (onnxruntime has no types)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone, which are raised, too
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of many kinds, one for each of its own codes
        raise ConfigError(f"{KEY}: onnxruntime refuses the file: {reason(error)}") from error

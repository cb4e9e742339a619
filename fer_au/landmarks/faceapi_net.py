"""Run face-api's 68-point network in torch: four densely connected blocks of depthwise-separable convolutions.

The weights are bytes; the table beside them gives each tensor's name, its shape, and the scale and minimum that turn
bytes into numbers. The architecture follows face-api's published model (0.36 M parameters, 112 px input).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fer_au.assets import FACE_API_68, FACE_API_68_TABLE, find_weights
from fer_au.errors import ConfigError
from fer_au.gate import WEIGHTS, read_bytes
from fer_au.ibug68 import N_POINTS

SIZE = 112
# Mean RGB, 0..255, that is subtracted from the input before it is divided by 255.
_MEAN_RGB = (122.782, 117.001, 104.298)
_BLOCKS = ("dense0", "dense1", "dense2", "dense3")

Parameters = Mapping[str, Tensor]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the block.

    With several threads, sums are split by their number, and the last bits of a result would depend on the machine's
    processors. For a network of this size one thread is also the fastest.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def predict_square(square: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Find the 68 points of one face.

    Call this with one picture at a time, within ``one_thread``: the result must not depend on the batch, not even in
    its last bit.

    Args:
        square: Square (112, 112, 3) uint8 RGB, most of which the face fills.

    Returns:
        Points (68, 2) xy, pixels of the square.

    Raises:
        MissingDependencyError: The weights or their table are not installed.
    """
    centred = (square.astype(np.float32) - np.array(_MEAN_RGB, np.float32)) / np.float32(255)
    with torch.inference_mode():
        out = forward(load_parameters(), torch.from_numpy(centred.transpose(2, 0, 1)[None].copy()))
    return out.numpy().astype(np.float64).reshape(N_POINTS, 2) * SIZE


def forward(parameters: Parameters, x: Tensor) -> Tensor:
    """Run the network.

    Args:
        parameters: Tensors of ``load_parameters``.
        x: Squares (N, 3, 112, 112) float32 RGB, minus the mean and divided by 255.

    Returns:
        Coordinates (N, 136): x and y of each of the 68 points, in sides of the square.
    """
    for block in _BLOCKS:
        x = _dense_block(parameters, block, x)
    x = functional.avg_pool2d(x, 7, 2).flatten(1)
    return x @ parameters["fc/weights"] + parameters["fc/bias"]


def _dense_block(parameters: Parameters, block: str, x: Tensor) -> Tensor:
    """Apply four convolutions, of which each reads the rectified sum of the outputs of all before it."""
    total = functional.relu(_convolve(parameters, f"{block}/conv0", x, stride=2))
    x = total
    for number in (1, 2, 3):
        total = total + _convolve(parameters, f"{block}/conv{number}", x, stride=1)
        x = functional.relu(total)
    return x


def _convolve(parameters: Parameters, name: str, x: Tensor, stride: int) -> Tensor:
    """Apply the convolution of a name: plain 3x3, or depthwise 3x3 and 1x1 across channels, as its weights tell."""
    # TensorFlow's "same" padding: with stride 2 and an even size the extra row and column lie below and right.
    x = functional.pad(x, (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1))
    bias = parameters[f"{name}/bias"]
    if (filters := parameters.get(f"{name}/filters")) is not None:
        return functional.conv2d(x, filters, bias, stride)
    x = functional.conv2d(x, parameters[f"{name}/depthwise_filter"], None, stride, groups=x.shape[1])
    return functional.conv2d(x, parameters[f"{name}/pointwise_filter"], bias)


@lru_cache(maxsize=1)
def load_parameters() -> Parameters:
    """Load the network's tensors, once per process.

    Raises:
        MissingDependencyError: The weights or their table are not installed.
        ConfigError: Weights and table don't fit together.
    """
    return read_parameters(find_weights(FACE_API_68), find_weights(FACE_API_68_TABLE))


def read_parameters(weights: Path, table: Path) -> Parameters:
    """Read tensors from a file of quantised bytes and its table.

    Args:
        weights: File of the bytes, one tensor after the other.
        table: JSON list of groups, whose ``weights`` tell name, shape and quantisation in the order of the bytes.

    Returns:
        Name -> tensor, with torch's order of axes.

    Raises:
        ConfigError: The file has more or fewer bytes than the table describes.
    """
    data = read_bytes(weights, WEIGHTS)
    tensors: dict[str, Tensor] = {}
    at = 0
    for group in json.loads(table.read_text(encoding="utf-8")):
        for entry in group["weights"]:
            count = math.prod(entry["shape"])
            line = entry["quantization"]
            values = np.frombuffer(data[at : at + count], np.uint8).astype(np.float32)
            values = values * np.float32(line["scale"]) + np.float32(line["min"])
            if len(values) != count:
                raise ConfigError(f"{weights}: ends within {entry['name']}")
            tensors[entry["name"]] = _to_torch(entry["name"], values.reshape(entry["shape"]))
            at += count
    if at != len(data):
        raise ConfigError(f"{weights}: {len(data)} bytes, the table describes {at}")
    return tensors


def _to_torch(name: str, values: NDArray[np.float32]) -> Tensor:
    """Bring TensorFlow's axes (height, width, in, out) into torch's order; depthwise filters have channels for "in"."""
    if name.endswith("depthwise_filter"):
        values = values.transpose(2, 3, 0, 1)
    elif values.ndim == 4:
        values = values.transpose(3, 2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(values))

"""Read networks from ``.hdf5`` files that Keras 2 wrote: the configuration is JSON, the weights are arrays.

Nothing in such a file runs. Layers that hold code (``Lambda``) are refused, as are all others that aren't known here.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.public_models.graph import (
    INPUT,
    Activate,
    Activation,
    Add,
    Convolution,
    GraphNetwork,
    MaxPool,
    Mean,
    Step,
    normalisation,
    plain_name,
)
from fer_au.errors import DataError

_ACTIVATIONS: Mapping[str, Activation] = {"linear": "none", "relu": "relu"}


def read_keras(data: bytes) -> GraphNetwork:
    """Read a network.

    Args:
        data: The file's bytes.

    Returns:
        The network: pictures (N, c, H, W) to logits.

    Raises:
        DataError: It is no such file, is damaged, or has a layer that isn't known here.
    """
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            return GraphNetwork(_steps(file))
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"no .hdf5 file of Keras, or a damaged one: {' '.join(str(error).split())}") from error


def _steps(file: h5py.File) -> list[Step]:
    sources: dict[str, str] = {}
    steps: list[Step] = []
    for layer in json.loads(file.attrs["model_config"])["config"]["layers"]:
        kind, name, config = layer["class_name"], layer["name"], layer["config"]
        read = tuple(sources[one[0]] for one in layer["inbound_nodes"][0]) if layer["inbound_nodes"] else ()
        if kind == "InputLayer":
            sources[name] = INPUT
        elif kind == "Activation" and config["activation"] == "softmax":
            (sources[name],) = read
        else:
            weights = _weights(file["model_weights"][name])
            made = _made(kind, config, weights)
            for number, module in enumerate(made):
                step = plain_name(name) if number == len(made) - 1 else f"{plain_name(name)}_{number}"
                steps.append(Step(step, module, read))
                read = (step,)
            (sources[name],) = read
    return steps


def _weights(group: h5py.Group) -> dict[str, Tensor]:
    """Read a layer's arrays, by the last part of their names."""
    found: dict[str, Tensor] = {}

    def take(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            found[name.rsplit("/", 1)[-1].split(":")[0]] = torch.from_numpy(np.asarray(item, np.float32))

    group.visititems(take)
    return found


def _made(kind: str, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> list[nn.Module]:
    """Make the modules of a layer: one, or the two of a separable convolution."""
    if kind == "Activation":
        return [Activate(_ACTIVATIONS[config["activation"]])]
    if kind == "Add":
        return [Add()]
    if kind == "GlobalAveragePooling2D":
        return [Mean()]
    if kind == "MaxPooling2D":
        return [MaxPool(_pair(config["pool_size"]), _pair(config["strides"]), config["padding"])]
    if kind == "BatchNormalization":
        arrays = [weights[one] for one in ("gamma", "beta", "moving_mean", "moving_variance")]
        return [normalisation(arrays, epsilon=float(config["epsilon"]))]
    if kind == "Conv2D":
        activation, strides = _ACTIVATIONS[config["activation"]], _pair(config["strides"])
        kernel = weights["kernel"].permute(3, 2, 0, 1)
        return [_convolution(kernel, weights.get("bias"), config, strides, activation)]
    if kind == "SeparableConv2D":
        activation, strides = _ACTIVATIONS[config["activation"]], _pair(config["strides"])
        depthwise = weights["depthwise_kernel"].permute(2, 3, 0, 1).flatten(0, 1)[:, None]
        pointwise = weights["pointwise_kernel"].permute(3, 2, 0, 1)
        return [
            Convolution(
                depthwise, None, strides=strides, padding=config["padding"], groups=weights["depthwise_kernel"].shape[2]
            ),
            _convolution(pointwise, weights.get("bias"), config, (1, 1), activation),
        ]
    raise DataError(f"a .hdf5 file of Keras with a layer {kind}, which isn't known here")


def _convolution(
    kernel: Tensor, bias: Tensor | None, config: Mapping[str, Any], strides: tuple[int, int], activation: Activation
) -> Convolution:
    return Convolution(kernel, bias, strides=strides, padding=config["padding"], activation=activation)


def _pair(sides: list[int]) -> tuple[int, int]:
    return sides[0], sides[1]

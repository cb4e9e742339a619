"""Read networks of TensorFlow.js: a JSON that lists weights, and perhaps steps, beside a file of their bytes."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.public_models.graph import (
    INPUT,
    Activate,
    Activation,
    Add,
    Convolution,
    Dense,
    GraphNetwork,
    MaxPool,
    Mean,
    Padding,
    Step,
    plain_name,
)
from fer_au.errors import DataError

Weights = Mapping[str, Tensor]
_TYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype("<f4"),
    "int32": np.dtype("<i4"),
    "uint8": np.dtype("u1"),
    "uint16": np.dtype("<u2"),
}


def read_weights(table: Sequence[Mapping[str, Any]], data: bytes) -> Weights:
    """Read the arrays that a table lists, in the order of their bytes.

    Args:
        table: For each array: ``name``, ``shape``, ``dtype``, and ``quantization`` (``dtype``, ``scale``, ``min``)
            where it was kept in fewer bytes.
        data: All bytes.

    Returns:
        Name -> array, axes as in the file.

    Raises:
        DataError: There are more or fewer bytes than the table lists.
    """
    found: dict[str, Tensor] = {}
    at = 0
    for entry in table:
        line = entry.get("quantization")
        kind = _TYPES[line["dtype"] if line else entry["dtype"]]
        count = math.prod(entry["shape"])
        part = data[at : at + count * kind.itemsize]
        at += count * kind.itemsize
        if len(part) != count * kind.itemsize:
            raise DataError(f"weights end within {entry['name']}")
        values = np.frombuffer(part, kind).astype(np.float32)
        if line:
            values = values * np.float32(line["scale"]) + np.float32(line["min"])
        found[entry["name"]] = torch.from_numpy(values.reshape(entry["shape"]))
    if at != len(data):
        raise DataError(f"{len(data)} bytes of weights, and the table lists {at}")
    return found


def read_graph(text: bytes, data: bytes) -> GraphNetwork:
    """Read a network that lists its steps (a "graph model").

    Args:
        text: Bytes of the JSON file.
        data: Bytes of the weights.

    Returns:
        The network: pictures (N, c, H, W) to logits.

    Raises:
        DataError: It is no such file, is damaged, or has a step that isn't known here.
    """
    try:
        model = json.loads(text)
        weights = read_weights([one for group in model["weightsManifest"] for one in group["weights"]], data)
        return GraphNetwork(_steps(model["modelTopology"]["node"], weights))
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"no graph model of TensorFlow.js, or a damaged one: {error}") from error


def _steps(nodes: Sequence[Mapping[str, Any]], weights: Weights) -> list[Step]:
    sources: dict[str, str] = {}
    steps: list[Step] = []
    for node in nodes:
        name, kind = node["name"], node["op"]
        inputs = [one.split(":")[0] for one in node.get("input", ())]
        if kind == "Placeholder":
            sources[name] = INPUT
        elif kind in ("Softmax", "Identity"):
            sources[name] = sources[inputs[0]]
        elif kind in _MADE:
            given = [weights[one] for one in inputs if one in weights]
            read = tuple(sources[one] for one in inputs if one in sources)
            steps.append(Step(plain_name(name), _MADE[kind](node["attr"], given), read))
            sources[name] = plain_name(name)
        elif kind != "Const":
            raise DataError(f"a graph model of TensorFlow.js with a step {kind}, which isn't known here")
    return steps


def _text(value: str) -> str:
    return base64.b64decode(value).decode()


def _padding(attributes: Mapping[str, Any]) -> Padding:
    return "same" if _text(attributes["padding"]["s"]) == "SAME" else "valid"


def _pair(attributes: Mapping[str, Any], key: str) -> tuple[int, int]:
    _, rows, columns, _ = (int(one) for one in attributes[key]["list"]["i"])
    return rows, columns


def _convolution(attributes: Mapping[str, Any], given: Sequence[Tensor]) -> nn.Module:
    fused = [_text(one) for one in attributes["fused_ops"]["list"]["s"]]
    activations: dict[tuple[str, ...], Activation] = {("BiasAdd",): "none", ("BiasAdd", "Relu"): "relu"}
    if (activation := activations.get(tuple(fused))) is None:
        raise DataError(f"a graph model of TensorFlow.js with a convolution and {fused}, which isn't known here")
    return Convolution(
        given[0].permute(3, 2, 0, 1),
        given[1],
        strides=_pair(attributes, "strides"),
        padding=_padding(attributes),
        activation=activation,
    )


def _depthwise(attributes: Mapping[str, Any], given: Sequence[Tensor]) -> nn.Module:
    return Convolution(
        _of_depth(given[0]),
        None,
        strides=_pair(attributes, "strides"),
        padding=_padding(attributes),
        groups=given[0].shape[2],
    )


def _of_depth(filters: Tensor) -> Tensor:
    """Bring filters (h, w, in, multiplier) into torch's order."""
    return filters.permute(2, 3, 0, 1).flatten(0, 1)[:, None]


def _max_pool(attributes: Mapping[str, Any], given: Sequence[Tensor]) -> nn.Module:
    return MaxPool(_pair(attributes, "ksize"), _pair(attributes, "strides"), _padding(attributes))


_MADE: dict[str, Callable[[Mapping[str, Any], Sequence[Tensor]], nn.Module]] = {
    "_FusedConv2D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "MaxPool": _max_pool,
    "AddV2": lambda attributes, given: Add(),
    "Relu": lambda attributes, given: Activate("relu"),
    "Mean": lambda attributes, given: Mean(),
}


def read_face_api(text: bytes, data: bytes) -> GraphNetwork:
    """Read face-api's classifier: four densely connected blocks of separable convolutions, whose steps are its code's.

    Args:
        text: Bytes of the table of weights.
        data: Bytes of the weights.

    Returns:
        The network: pictures (N, 3, 112, 112) RGB, minus the mean and divided by 255, to logits.

    Raises:
        DataError: Bytes and table don't fit together, or weights are missing.
    """
    try:
        weights = read_weights([one for group in json.loads(text) for one in group["weights"]], data)
        steps: list[Step] = []
        last = INPUT
        for block in range(4):
            last = _dense_block(steps, weights, f"dense{block}", last)
        steps.append(Step("mean", Mean(), (last,)))
        steps.append(Step("fc", Dense(weights["fc/weights"].T, weights["fc/bias"]), ("mean",)))
        return GraphNetwork(steps)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"no weights of face-api's classifier, or damaged ones: {error}") from error


def _dense_block(steps: list[Step], weights: Weights, block: str, last: str) -> str:
    """Add four convolutions, of which each reads the rectified sum of the results of all before it."""
    first = _face_api_convolution(steps, weights, f"{block}/conv0", last, 2)
    steps.append(Step(f"{block}_start", Activate("relu"), (first,)))
    parts, last = [f"{block}_start"], f"{block}_start"
    for number in (1, 2, 3):
        parts.append(_face_api_convolution(steps, weights, f"{block}/conv{number}", last, 1))
        last = block if number == 3 else f"{block}_sum{number}"
        steps.append(Step(last, Add("relu"), tuple(parts)))
    return last


def _face_api_convolution(steps: list[Step], weights: Weights, path: str, last: str, stride: int) -> str:
    name, bias, strides = plain_name(path), weights[f"{path}/bias"], (stride, stride)
    if (filters := weights.get(f"{path}/filters")) is not None:
        steps.append(Step(name, Convolution(filters.permute(3, 2, 0, 1), bias, strides=strides), (last,)))
        return name
    filters = weights[f"{path}/depthwise_filter"]
    steps.append(
        Step(
            f"{name}_depthwise",
            Convolution(_of_depth(filters), None, strides=strides, groups=filters.shape[2]),
            (last,),
        )
    )
    pointwise = weights[f"{path}/pointwise_filter"].permute(3, 2, 0, 1)
    steps.append(Step(name, Convolution(pointwise, bias), (f"{name}_depthwise",)))
    return name

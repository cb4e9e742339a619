"""Two small networks whose packages keep weights as torch state dicts, read by ``weights_only``: data, no code."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.public_models.graph import INPUT, Convolution, GraphNetwork, Step, normalisation
from fer_au.errors import DataError

_ERRORS = (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, ValueError, AttributeError)
_EPSILON = 1e-5  # torch's own, of batch normalisations


class Flatten(nn.Module):
    """Maps in a row, channels first."""

    def forward(self, x: Tensor) -> Tensor:
        """Flatten (N, c, H, W) to (N, c * H * W)."""
        return x.flatten(1)


def read_three_tanh(data: bytes) -> GraphNetwork:
    """Read the network of ``what-the-face-classification``: three convolutions with tanh, three linear layers.

    Args:
        data: Bytes of the state dict.

    Returns:
        The network: pictures (N, 1, 48, 48) in [0, 1] to logits.

    Raises:
        DataError: These are no weights of it.
    """
    try:
        state = _read(data)
        steps = []
        last = INPUT
        for number in (1, 2, 3):
            convolution = Convolution(state[f"conv{number}.weight"], state[f"conv{number}.bias"], padding="valid")
            steps += [Step(f"conv{number}", convolution, (last,))]
            last = f"map{number}"
            steps += [Step(last, nn.Sequential(nn.Tanh(), nn.MaxPool2d(2)), (f"conv{number}",))]
        layers = [Flatten(), _linear(state, "fc1"), nn.ReLU(), _linear(state, "fc2"), nn.ReLU(), _linear(state, "fc3")]
        return GraphNetwork([*steps, Step("scores", nn.Sequential(*layers), (last,))])
    except _ERRORS as error:
        raise _fault(error) from error


def read_four_reflected(data: bytes) -> GraphNetwork:
    """Read the network of ``facial-emotion-recognition``: four convolutions with mirrored borders, two linear layers.

    Args:
        data: Bytes of the training's checkpoint.

    Returns:
        The network: pictures (N, 1, 48, 48) in [-1, 1] to scores in [0, 1], which its package compares as logits.

    Raises:
        DataError: These are no weights of it.
    """
    try:
        state = _read(data)["network"]
        steps = []
        last = INPUT
        for number in (1, 2, 3, 4):
            weight, bias, *counted = (
                state[f"conv_{number}.{key}"]
                for key in ("1.weight", "1.bias", "2.weight", "2.bias", "2.running_mean", "2.running_var")
            )
            stride = (1, 1) if number == 1 else (2, 2)
            convolution = Convolution(weight, bias, strides=stride, padding="valid")
            block = [nn.ReflectionPad2d(1), convolution, normalisation(counted, epsilon=_EPSILON), nn.ReLU()]
            steps.append(Step(f"conv_{number}", nn.Sequential(*block), (last,)))
            last = f"conv_{number}"
        layers = [Flatten(), _linear(state, "linear.0"), nn.ReLU(), _linear(state, "linear.2"), nn.Sigmoid()]
        return GraphNetwork([*steps, Step("scores", nn.Sequential(*layers), (last,))])
    except _ERRORS as error:
        raise _fault(error) from error


def _read(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return found


def _linear(state: Mapping[str, Tensor], name: str) -> nn.Linear:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def _fault(error: Exception) -> DataError:
    return DataError(f"no state dict of this network, or a damaged one: {' '.join(str(error).split())[:200]}")

"""A network as a list of named steps, which every reader of a package's file makes: one torch module, with gradients.

TensorFlow's files put channels last and pad "same" below and to the right; here channels come first, as torch wants,
and the padding is TensorFlow's. A softmax at the end is left out, so that a network gives logits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

Padding = Literal["same", "valid"]
Activation = Literal["none", "relu", "relu6"]
INPUT = "pictures"
"""Name of what the first step reads."""
Kept = Literal["floats", "bytes", "bytes by channel"]
"""How weights were kept in a file: bytes have one scale, or one for each output channel."""
_LARGEST, _LEVELS = 127, 255  # of signed bytes; and steps between all bytes
_TINY = 1e-12


@dataclass(frozen=True)
class Step:
    """One step of a network.

    Attributes:
        name: Name of the step, and of its module, by which it can be a feature layer.
        module: What it does.
        inputs: Names of the steps whose results it reads, or ``INPUT``.
    """

    name: str
    module: nn.Module
    inputs: tuple[str, ...]


class GraphNetwork(nn.Module):
    """Steps that run one after the other; the last one gives the logits.

    Args:
        steps: Steps in their order, each of them behind those that it reads.

    Raises:
        ValueError: A step reads one that doesn't come before it.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__()
        known = {INPUT}
        self._inputs: list[tuple[str, tuple[str, ...]]] = []
        for step in steps:
            if missing := set(step.inputs) - known:
                raise ValueError(f"{step.name}: reads {', '.join(sorted(missing))}, which doesn't come before it")
            known.add(step.name)
            self._inputs.append((step.name, step.inputs))
            self.add_module(step.name, step.module)

    @property
    def steps(self) -> list[Step]:
        """The steps."""
        return [Step(name, self.get_submodule(name), inputs) for name, inputs in self._inputs]

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits (N, classes) of pictures (N, c, H, W)."""
        # Depthwise convolutions are several times as fast on processors when channels lie together.
        found = {INPUT: x.contiguous(memory_format=torch.channels_last)}
        for name, inputs in self._inputs:
            found[name] = self.get_submodule(name)(*(found[one] for one in inputs))
        return found[name]


def plain_name(text: str) -> str:
    """Make a name that a torch module can have: letters, digits and underscores.

    Example:
        >>> plain_name("model_1/add_3/Add;model_1/other")
        'model_1_add_3_Add'
    """
    return re.sub(r"\W+", "_", text.split(";")[0]).strip("_")


def pad_same(x: Tensor, sides: tuple[int, int], strides: tuple[int, int], value: float = 0.0) -> Tensor:
    """Pad as TensorFlow's "same": as many outputs as strides fit into the input; an odd row or column comes last."""
    amounts: list[int] = []
    for length, side, stride in zip(x.shape[:1:-1], sides[::-1], strides[::-1], strict=True):
        total = max((-(-length // stride) - 1) * stride + side - length, 0)
        amounts += [total // 2, total - total // 2]
    return F.pad(x, amounts, value=value) if any(amounts) else x


def activate(x: Tensor, activation: Activation) -> Tensor:
    """Apply an activation by its name."""
    if activation == "relu":
        return F.relu(x)
    return F.relu6(x) if activation == "relu6" else x


class Quantizing(nn.Module):
    """A step whose weights were kept in bytes, so that its runtime rounds what comes in, too.

    Attributes:
        from_bytes: Whether the weights were kept in bytes.
        per_channel: Whether each output channel has a scale of its own; runtimes then use all 256 levels, from the
            smallest to the largest value, and else 255 that lie evenly around 0.
        rounds: Whether inputs are rounded to such levels, picture by picture, as runtimes of TFLite do; off, since
            nothing can be differentiated through it. It serves the comparison with those runtimes.
    """

    def __init__(self, kept: Kept) -> None:
        super().__init__()
        self.from_bytes, self.per_channel, self.rounds = kept != "floats", kept == "bytes by channel", False

    def take(self, x: Tensor) -> Tensor:
        """Give the input as the runtime sees it."""
        if not (self.rounds and self.from_bytes):
            return x
        sides, flat = (-1, *[1] * (x.ndim - 1)), x.flatten(1)
        if not self.per_channel:
            largest = flat.abs().amax(1).clamp_min(_TINY).reshape(sides)
            levels = x * (_LARGEST / largest)  # multiplied, and halves rounded away from 0, as the runtimes do it
            return (levels + levels.sign() / 2).trunc() * (largest / _LARGEST)
        low, high = flat.amin(1).clamp_max(0), flat.amax(1).clamp_min(0)
        scale = ((high - low).clamp_min(_TINY) / _LEVELS).reshape(sides)
        zero = (-low.reshape(sides) / scale).round()
        return ((x / scale + zero).round().clamp(0, _LEVELS) - zero) * scale


class Convolution(Quantizing):
    """A convolution with its bias and activation.

    Args:
        weight: (out, in / groups, h, w).
        bias: (out,), or None.
        strides: Rows and columns from one output to the next.
        padding: ``same`` or ``valid``.
        groups: Groups of channels; as many as there are for a depthwise one.
        activation: What follows.
        kept: How the weights were kept.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        strides: tuple[int, int] = (1, 1),
        padding: Padding = "same",
        groups: int = 1,
        activation: Activation = "none",
        kept: Kept = "floats",
    ) -> None:
        super().__init__(kept)
        self.weight = nn.Parameter(weight.contiguous())
        self.bias = None if bias is None else nn.Parameter(bias)
        self._strides, self._padding, self._groups, self._activation = strides, padding, groups, activation

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, in, H, W)."""
        x = self.take(x)
        if self._padding == "same":
            x = pad_same(x, (self.weight.shape[2], self.weight.shape[3]), self._strides)
        found = F.conv2d(x, self.weight, self.bias, self._strides, groups=self._groups)
        return activate(found, self._activation)


class Dense(Quantizing):
    """A linear layer on maps, flattened with their channels last, or on vectors.

    Args:
        weight: (out, in).
        bias: (out,).
        kept: How the weights were kept.
    """

    def __init__(self, weight: Tensor, bias: Tensor, *, kept: Kept = "floats") -> None:
        super().__init__(kept)
        self.weight, self.bias = nn.Parameter(weight.contiguous()), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        """Compute (N, out)."""
        flat = x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x
        return F.linear(self.take(flat), self.weight, self.bias)


class MaxPool(nn.Module):
    """The largest value of each window."""

    def __init__(self, sides: tuple[int, int], strides: tuple[int, int], padding: Padding) -> None:
        super().__init__()
        self._sides, self._strides, self._padding = sides, strides, padding

    def forward(self, x: Tensor) -> Tensor:
        """Pool (N, c, H, W)."""
        if self._padding == "same":
            x = pad_same(x, self._sides, self._strides, value=-torch.inf)
        return F.max_pool2d(x, self._sides, self._strides)


class Pad(nn.Module):
    """Zeros around maps: left, right, above, below."""

    def __init__(self, amounts: tuple[int, int, int, int]) -> None:
        super().__init__()
        self._amounts = amounts

    def forward(self, x: Tensor) -> Tensor:
        """Pad (N, c, H, W)."""
        return F.pad(x, self._amounts)


class Add(nn.Module):
    """The sum of maps, and its activation."""

    def __init__(self, activation: Activation = "none") -> None:
        super().__init__()
        self._activation = activation

    def forward(self, *parts: Tensor) -> Tensor:
        """Add maps of one shape."""
        return activate(torch.stack(parts).sum(0) if len(parts) > 2 else sum(parts[1:], parts[0]), self._activation)


class Activate(nn.Module):
    """An activation alone."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self._activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        return activate(x, self._activation)


class Mean(nn.Module):
    """The mean of each map."""

    def forward(self, x: Tensor) -> Tensor:
        """Average (N, c, H, W) to (N, c)."""
        return x.mean((2, 3))


def normalisation(arrays: Sequence[Tensor], epsilon: float) -> nn.Module:
    """Make a batch normalisation by what was counted in training: gain, shift, mean and variance of each channel."""
    layer = nn.BatchNorm2d(len(arrays[0]), eps=epsilon)
    names = ("weight", "bias", "running_mean", "running_var")
    layer.load_state_dict(dict(zip(names, arrays, strict=True)), strict=False)
    return layer.eval()


class Repeat(nn.Module):
    """One channel, as often as a network of colour pictures has channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Repeat (N, 1, H, W) to (N, 3, H, W)."""
        return x.expand(-1, 3, -1, -1)


def grey_thrice(network: GraphNetwork) -> GraphNetwork:
    """Let a network of colour pictures take grey ones, as three equal channels; its layers keep their names."""
    inputs = [tuple("colours" if one == INPUT else one for one in step.inputs) for step in network.steps]
    steps = [Step(step.name, step.module, read) for step, read in zip(network.steps, inputs, strict=True)]
    return GraphNetwork([Step("colours", Repeat(), (INPUT,)), *steps])

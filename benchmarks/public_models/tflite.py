"""Read networks from ``.tflite`` files: a flatbuffer, of which the few tables are read that a network needs.

Source: the published schema of TensorFlow Lite, version 3. Weights of 8 bits become floats.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.public_models.graph import (
    INPUT,
    Activation,
    Add,
    Convolution,
    Dense,
    GraphNetwork,
    Kept,
    MaxPool,
    Mean,
    Pad,
    Padding,
    Step,
    plain_name,
)
from fer_au.errors import DataError

MAGIC = b"TFL3"
"""Bytes 4 to 7 of such a file."""
_TYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype("<f4"),
    1: np.dtype("<f2"),
    2: np.dtype("<i4"),
    3: np.dtype("u1"),
    4: np.dtype("<i8"),
    9: np.dtype("i1"),
}
_ACTIVATIONS: dict[int, Activation] = {0: "none", 1: "relu", 3: "relu6"}
_ADD, _CONV, _DEPTHWISE, _DEQUANTIZE, _DENSE, _MAX_POOL, _RESHAPE, _SOFTMAX, _PAD, _MEAN = (
    0, 3, 4, 6, 9, 17, 22, 25, 34, 40,
)  # fmt: skip


class Table:
    """A table of a flatbuffer: its fields lie where an index at its head says."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._index = at - self._read("<i", at)

    def _read(self, form: str, at: int) -> int:
        (value,) = struct.unpack_from(form, self._data, at)
        return int(value)

    def _place(self, field: int) -> int:
        """Find a field; 0 where the table leaves it out."""
        entry = 4 + 2 * field
        if entry >= self._read("<H", self._index):
            return 0
        offset = self._read("<H", self._index + entry)
        return self._at + offset if offset else 0

    def number(self, field: int, form: str = "<i", default: int = 0) -> int:
        """Read a number."""
        place = self._place(field)
        return self._read(form, place) if place else default

    def _vector(self, field: int) -> tuple[int, int]:
        place = self._place(field)
        if not place:
            return 0, 0
        start = place + self._read("<I", place)
        return start + 4, self._read("<I", start)

    def array(self, field: int, kind: np.dtype[np.generic]) -> NDArray[np.generic]:
        """Read a list of numbers."""
        start, count = self._vector(field)
        return np.frombuffer(self._data, kind, count, start) if count else np.zeros(0, kind)

    def text(self, field: int) -> str:
        """Read a text."""
        start, count = self._vector(field)
        return self._data[start : start + count].decode()

    def table(self, field: int) -> Table | None:
        """Read a table; None where it is left out."""
        place = self._place(field)
        return Table(self._data, place + self._read("<I", place)) if place else None

    def tables(self, field: int) -> list[Table]:
        """Read a list of tables."""
        start, count = self._vector(field)
        places = [start + 4 * number for number in range(count)]
        return [Table(self._data, place + self._read("<I", place)) for place in places]


@dataclass(frozen=True)
class Value:
    """A tensor of the file: the result of a step, or weights.

    Attributes:
        name: Name in the file.
        shape: Sides, channels last.
        numbers: The weights as they lie in the file; None of results.
        scale: Scale of bytes; one, or one for each channel; none of floats.
        zero: Byte that means 0; one, or one for each channel.
        axis: Axis of those channels.
    """

    name: str
    shape: tuple[int, ...]
    numbers: NDArray[np.generic] | None
    scale: NDArray[np.float32]
    zero: NDArray[np.float32]
    axis: int

    @property
    def kept(self) -> Kept:
        """How the weights were kept."""
        if not self.scale.size:
            return "floats"
        return "bytes" if self.scale.size == 1 else "bytes by channel"

    def floats(self, signed: bool = False) -> NDArray[np.float32]:
        """Give the weights.

        Args:
            signed: Whether bytes are signed even where their type says otherwise: so old converters wrote those that a
                convolution or a linear layer reads itself, and so runtimes take them.
        """
        assert self.numbers is not None
        numbers = self.numbers.view(np.int8) if signed and self.numbers.dtype == np.uint8 else self.numbers
        content = numbers.astype(np.float32)
        if not self.scale.size:
            return content
        sides = [1] * len(self.shape)
        if self.scale.size > 1:
            sides[self.axis] = self.scale.size
        zero = self.zero.reshape(sides) if self.zero.size > 1 else self.zero
        return (content - zero) * self.scale.reshape(sides)


def read_tflite(data: bytes) -> GraphNetwork:
    """Read a network.

    Args:
        data: The file's bytes.

    Returns:
        The network: pictures (N, c, H, W) to logits.

    Raises:
        DataError: It is no such file, is damaged, or has a step that isn't known here.
    """
    if data[4:8] != MAGIC:
        raise DataError("no .tflite file: its first bytes are others")
    try:
        return GraphNetwork(_steps(data))
    except (struct.error, IndexError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise DataError(f"a damaged .tflite file, or one of another kind: {error}") from error


def _steps(data: bytes) -> list[Step]:
    model = Table(data, struct.unpack_from("<I", data, 0)[0])
    codes = [max(one.number(0, "<b"), one.number(3)) for one in model.tables(1)]
    (graph,) = model.tables(2)
    buffers = model.tables(4)
    values = [_value(one, buffers) for one in graph.tables(0)]
    (first,) = graph.array(1, np.dtype("<i4"))
    sources = {int(first): INPUT}
    steps: list[Step] = []
    for operator in graph.tables(3):
        code = codes[operator.number(0, "<I")]
        inputs, (output,) = (operator.array(field, np.dtype("<i4")) for field in (1, 2))
        given = [values[int(place)] for place in inputs if place >= 0]
        if code == _DEQUANTIZE:
            floats = given[0].floats()
            values[int(output)] = replace(given[0], numbers=floats, scale=np.zeros(0, np.float32))
        elif code in (_RESHAPE, _SOFTMAX):  # vectors are flat already, and logits are what is wanted
            sources[int(output)] = sources[int(inputs[0])]
        elif code in _MADE:
            name = plain_name(values[int(output)].name)
            read = tuple(sources[int(place)] for place in inputs if int(place) in sources)
            steps.append(Step(name, _MADE[code](operator.table(4) or Table(data, 0), given), read))
            sources[int(output)] = name
        else:
            raise DataError(f"a .tflite file with operator {code}, which isn't known here")
    return steps


def _value(table: Table, buffers: Sequence[Table]) -> Value:
    name, shape = table.text(3), tuple(int(side) for side in table.array(0, np.dtype("<i4")))
    raw = buffers[table.number(2, "<I")].array(0, np.dtype("u1")).tobytes()
    scale = zero = np.zeros(0, np.float32)
    if not raw:
        return Value(name, shape, None, scale, zero, 0)
    numbers = np.frombuffer(raw, _TYPES[table.number(1, "<b")]).reshape(shape)
    if (quantized := table.table(4)) is None:
        return Value(name, shape, numbers, scale, zero, 0)
    scale = quantized.array(2, np.dtype("<f4")).astype(np.float32)
    zero = quantized.array(3, np.dtype("<i8")).astype(np.float32)
    return Value(name, shape, numbers, scale, zero, quantized.number(6))


def _tensor(value: Value, order: tuple[int, ...] | None = None, signed: bool = False) -> Tensor:
    content = value.floats(signed)
    return torch.from_numpy(np.ascontiguousarray(content if order is None else content.transpose(order)))


def _padding(options: Table) -> Padding:
    return "valid" if options.number(0, "<b") else "same"


def _strides(options: Table) -> tuple[int, int]:
    return options.number(2), options.number(1)


def _convolution(options: Table, given: Sequence[Value]) -> nn.Module:
    _refuse_dilation(options, 4)
    return Convolution(
        _tensor(given[1], (0, 3, 1, 2), signed=True),
        _tensor(given[2]) if len(given) > 2 else None,
        strides=_strides(options),
        padding=_padding(options),
        activation=_ACTIVATIONS[options.number(3, "<b")],
        kept=given[1].kept,
    )


def _depthwise(options: Table, given: Sequence[Value]) -> nn.Module:
    _refuse_dilation(options, 5)
    weight = _tensor(given[1], (3, 0, 1, 2))
    return Convolution(
        weight,
        _tensor(given[2]) if len(given) > 2 else None,
        strides=_strides(options),
        padding=_padding(options),
        groups=len(weight) // options.number(3, default=1),
        activation=_ACTIVATIONS[options.number(4, "<b")],
        kept=given[1].kept,
    )


def _refuse_dilation(options: Table, field: int) -> None:
    if (options.number(field, default=1), options.number(field + 1, default=1)) != (1, 1):
        raise DataError("a .tflite file with dilated convolutions, which aren't known here")


def _dense(options: Table, given: Sequence[Value]) -> nn.Module:
    if options.number(0, "<b"):
        raise DataError("a .tflite file with an activation behind a linear layer, which isn't known here")
    return Dense(_tensor(given[1], signed=True), _tensor(given[2]), kept=given[1].kept)


def _max_pool(options: Table, given: Sequence[Value]) -> nn.Module:
    return MaxPool((options.number(4), options.number(3)), _strides(options), _padding(options))


def _pad(options: Table, given: Sequence[Value]) -> nn.Module:
    (above, below), (left, right) = given[1].floats().reshape(-1, 2)[1:3].astype(int).tolist()
    return Pad((left, right, above, below))


def _add(options: Table, given: Sequence[Value]) -> nn.Module:
    return Add(_ACTIVATIONS[options.number(0, "<b")])


_MADE: dict[int, Callable[[Table, Sequence[Value]], nn.Module]] = {
    _ADD: _add,
    _CONV: _convolution,
    _DEPTHWISE: _depthwise,
    _DENSE: _dense,
    _MAX_POOL: _max_pool,
    _PAD: _pad,
    _MEAN: lambda options, given: Mean(),
}

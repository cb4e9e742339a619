"""Read the tensors of an ONNX file: weights alone, by name, blocks of 8-bit integers brought to float32.

Why no library: the package ``onnx`` weighs 20 MB with what it needs, for one file whose bytes are pinned by their
sha256; and OpenCV, which is here anyway, gives the weights of a network's layers in its old engine alone, whose end its
release 5 announces. The format of protocol buffers is a few lines: every field says its number, kind and length, and
what isn't asked for is passed over. Nothing in a file is executed, and no length in it is believed beyond its end.

References: https://protobuf.dev/programming-guides/encoding, and ``onnx.proto3`` of ONNX for the fields' numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

_GRAPH, _INITIALIZER = 7, 5  # of ModelProto, of GraphProto
_DIMS, _TYPE, _FLOATS, _NAME, _RAW = 1, 2, 4, 8, 9  # of TensorProto
_TYPES: Mapping[int, str] = {1: "<f4", 3: "<i1", 7: "<i8"}
_MOST_AXES = 8
_BYTES = 2  # kinds of fields: bytes with their length; 0 are whole numbers of 7-bit groups
_FIXED = {1: 8, 5: 4}
_LONGEST = 10  # bytes of a 64-bit number

Field = int | memoryview


def read_tensors(data: bytes) -> dict[str, NDArray[np.generic]]:
    """Read the initialisers of an ONNX file; what was cut into blocks of integers comes as one float32 tensor.

    Quantised tensors are those of ONNX's block quantisation: ``NAME_quantized`` with ``NAME_scales`` and
    ``NAME_zero_point`` along the last axis, and the shape ``NAME_shape``. They come as ``NAME``.

    Args:
        data: Bytes of the file.

    Raises:
        ValueError: It is no ONNX file, or a damaged one, or holds tensors of other types.
    """
    tensors: dict[str, NDArray[np.generic]] = {}
    for number, graph in _fields(memoryview(data)):
        if number == _GRAPH:
            for inner, tensor in _fields(_expect(graph)):
                if inner == _INITIALIZER:
                    name, value = _tensor(_expect(tensor))
                    if name in tensors:
                        raise ValueError(f"tensor {name!r} is there twice")
                    tensors[name] = value
    if not tensors:
        raise ValueError("there are no tensors in it")
    return _joined(tensors)


def _joined(tensors: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """Bring quantised tensors to float32, and leave the others as they are."""
    joined = dict(tensors)
    for name in [name.removesuffix("_quantized") for name in tensors if name.endswith("_quantized")]:
        parts = [f"{name}_{part}" for part in ("quantized", "scales", "zero_point", "shape")]
        if missing := [part for part in parts if part not in tensors]:
            raise ValueError(f"tensor {missing[0]!r} is missing")
        values, scales, zeros, shape = (joined.pop(part) for part in parts)
        joined[name] = _dequantized(name, values, scales, zeros).reshape(shape.astype(int))
    return joined


def _dequantized(
    name: str, values: NDArray[np.generic], scales: NDArray[np.generic], zeros: NDArray[np.generic]
) -> NDArray[np.generic]:
    """Compute (value - zero point) * scale in float32, with one of each for every block of the last axis."""
    if scales.shape != zeros.shape or scales.shape[:-1] != values.shape[:-1] or not scales.shape[-1]:
        raise ValueError(f"the blocks of tensor {name!r} don't fit its values")
    length, blocks = values.shape[-1], scales.shape[-1]
    block = np.arange(length) // -(-length // blocks)
    offset = values.astype(np.int32) - zeros.astype(np.int32)[..., block]
    return offset.astype(np.float32) * scales.astype(np.float32)[..., block]


def _tensor(data: memoryview) -> tuple[str, NDArray[np.generic]]:
    """Read name and values of a TensorProto."""
    shape: list[int] = []
    kind, name, content = 0, "", memoryview(b"")
    for number, value in _fields(data):
        if number == _DIMS:
            shape += [value] if isinstance(value, int) else _numbers(value)
        elif number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME:
            name = str(_expect(value), "utf-8")
        elif number in (_FLOATS, _RAW):
            content = _expect(value)
    if kind not in _TYPES:
        raise ValueError(f"tensor {name!r} has a type that is not read here (ONNX's number {kind})")
    values = np.frombuffer(content, _TYPES[kind]) if len(content) % np.dtype(_TYPES[kind]).itemsize == 0 else None
    if values is None or len(shape) > _MOST_AXES or values.size != prod(shape):
        raise ValueError(f"tensor {name!r} has another number of values than its shape {shape} has")
    return name, values.reshape(shape)


def _numbers(data: memoryview) -> list[int]:
    """Read whole numbers that follow one another."""
    numbers, place = [], 0
    while place < len(data):
        number, place = _number(data, place)
        numbers.append(number)
    return numbers


def _expect(value: Field) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number stands where bytes are meant")
    return value


def _fields(data: memoryview) -> Iterator[tuple[int, Field]]:
    """Yield the numbers and values of a message's fields, whole numbers and bytes, in their order."""
    place = 0
    while place < len(data):
        key, place = _number(data, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _number(data, place)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = _number(data, place)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise ValueError(f"a field has the unknown kind {kind}")
        if length > len(data) - place:
            raise ValueError("it ends too early")
        yield number, data[place : place + length]
        place += length


def _number(data: memoryview, place: int) -> tuple[int, int]:
    """Read a number of 7-bit groups, the lowest first; return it and the place behind it."""
    number = 0
    for group, byte in enumerate(data[place : place + _LONGEST]):
        number |= (byte & 0x7F) << (7 * group)
        if byte < 0x80:
            return number, place + group + 1
    raise ValueError("it ends too early, or a number in it has no end")

"""ONNX files: tensors as they are, blocks of integers brought to float32, and one line for other bytes."""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_au.models.onnx_file import read_tensors

TYPES = {np.dtype("<f4"): 1, np.dtype("i1"): 3, np.dtype("<i8"): 7}


def number(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def field(key: int, data: bytes | int) -> bytes:
    if isinstance(data, int):
        return number(key << 3) + number(data)
    return number(key << 3 | 2) + number(len(data)) + data


def tensor(
    name: str, value: np.ndarray, *, packed: bool = False, floats: bool = False, kind: int | None = None
) -> bytes:
    dims = field(1, b"".join(map(number, value.shape))) if packed else b"".join(field(1, side) for side in value.shape)
    content = field(4 if floats else 9, value.tobytes())
    return dims + field(2, kind or TYPES[value.dtype]) + content + field(8, name.encode())


def onnx(*tensors: bytes) -> bytes:
    """A model of these initialisers, among fields that aren't asked for."""
    graph = field(2, b"name") + b"".join(field(5, one) for one in tensors) + field(1, b"a node")
    fixed = number(90 << 3 | 5) + struct.pack("<f", 1) + number(91 << 3 | 1) + struct.pack("<d", 1)
    return field(1, 6) + fixed + field(7, graph) + field(8, b"opset")


VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("floats", [False, True])
def test_tensors_are_read_as_they_are(packed: bool, floats: bool) -> None:
    (found,) = read_tensors(onnx(tensor("weight", VALUES, packed=packed, floats=floats))).items()
    assert found[0] == "weight"
    assert np.array_equal(found[1], VALUES)


def quantized(name: str = "w") -> list[bytes]:
    values = np.arange(-5, 5, dtype=np.int8).reshape(2, 5)
    scales = np.array([[0.5, 2], [1, 4]], np.float32)
    zeros = np.array([[0, 1], [-1, 2]], np.int8)
    shape = np.array([2, 5, 1, 1], np.int64)
    return [
        tensor(f"{name}_{part}", value)
        for part, value in {"quantized": values, "scales": scales, "zero_point": zeros, "shape": shape}.items()
    ]


def test_blocks_of_integers_become_floats() -> None:
    found = read_tensors(onnx(*quantized(), tensor("bias", VALUES)))
    assert set(found) == {"w", "bias"}
    # blocks of three values, the last of two: (value - zero point) * scale
    expected = np.array([[-2.5, -2, -1.5, -6, -4], [1, 2, 3, 4, 8]], np.float32)
    assert found["w"].shape == (2, 5, 1, 1)
    assert found["w"].dtype == np.float32
    assert np.array_equal(found["w"].reshape(2, 5), expected)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "there are no tensors"),
        (onnx(), "there are no tensors"),
        (onnx(tensor("a", VALUES), tensor("a", VALUES)), "'a' is there twice"),
        (onnx(tensor("a", VALUES, kind=10)), "'a' has a type that is not read here"),
        (onnx(tensor("a", VALUES, kind=7)), "'a' has another number of values than its shape"),
        (onnx(*quantized()[:3]), "'w_shape' is missing"),
        (onnx(*quantized()[:1], tensor("w_scales", VALUES), *quantized()[2:]), "blocks of tensor 'w' don't fit"),
        (onnx(tensor("a", VALUES))[:-9], "ends too early"),
        (field(7, 5), "a number stands where bytes are meant"),
        (b"\x3b\x00", "unknown kind 3"),
        (b"\xff" * 20, "no end"),
        (number(7 << 3 | 2) + number(1 << 62) + b"x", "ends too early"),
    ],
)
def test_other_bytes_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_tensors(data)


@settings(max_examples=200)
@given(st.data())
def test_damaged_bytes_are_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(onnx(*quantized(), tensor("bias", VALUES)))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        assert read_tensors(bytes(whole[: data.draw(st.integers(0, len(whole)))]))

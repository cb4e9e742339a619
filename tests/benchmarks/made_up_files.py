"""Small files in the formats of the packages that `benchmarks.public_models` reads, written by hand."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

Field = tuple[str, int] | bytes | str | list[Any] | Mapping[int, Any]


class FlatBuffer:
    """Writes tables of a flatbuffer, each one before what it points to."""

    def __init__(self) -> None:
        self.data = bytearray(8)

    def table(self, fields: Mapping[int, Field]) -> int:
        count = max(fields, default=-1) + 1
        size = 4 + 4 * len(fields)
        index = len(self.data)
        slots = {field: 4 + 4 * number for number, field in enumerate(fields)}
        self.data += struct.pack(f"<HH{count}H", 4 + 2 * count, size, *(slots.get(n, 0) for n in range(count)))
        self.data += bytes(-len(self.data) % 4)
        at = len(self.data)
        self.data += struct.pack("<i", at - index) + bytes(size - 4)
        for field, value in fields.items():
            place = at + slots[field]
            if isinstance(value, tuple):
                struct.pack_into(value[0], self.data, place, value[1])
            else:
                child = self._child(value)
                struct.pack_into("<I", self.data, place, child - place)
        return at

    def _child(self, value: Any) -> int:
        if isinstance(value, Mapping):
            return self.table(value)
        at = len(self.data)
        if isinstance(value, list):
            self.data += struct.pack("<I", len(value)) + bytes(4 * len(value))
            for number, one in enumerate(value):
                place = at + 4 + 4 * number
                struct.pack_into("<I", self.data, place, self.table(one) - place)
            return at
        raw = value.encode() if isinstance(value, str) else bytes(value)
        count = len(raw) if isinstance(value, str) else len(value)
        self.data += struct.pack("<I", count) + raw
        self.data += bytes(-len(self.data) % 4)
        return at


class Numbers(bytes):
    """A vector: its bytes, whose length is the number of its elements."""

    width: int = 1

    def __len__(self) -> int:
        return super().__len__() // self.width


def numbers(values: Any, kind: str) -> Numbers:
    array = np.asarray(values, np.dtype(kind))
    made = Numbers(array.tobytes())
    made.width = array.itemsize
    return made


def tflite(
    tensors: Sequence[tuple[str, Sequence[int], Any]],
    operators: Sequence[tuple[int, list[int], int, Mapping[int, Any]]],
) -> bytes:
    """Write a file.

    Tensors are (name, shape, None | array | (bytes, scales, zeros, axis)), operators (code, inputs, output, options).
    """
    kinds = {"float32": 0, "int32": 2, "uint8": 3, "int8": 9}
    buffers: list[Mapping[int, Any]] = [{}]
    written: list[Mapping[int, Any]] = []
    for name, shape, given in tensors:
        content, quantized = (given[0], given[1:]) if isinstance(given, tuple) else (given, None)
        entry: dict[int, Any] = {0: numbers(shape, "<i4"), 3: name}
        if content is not None:
            entry |= {1: ("<b", kinds[str(content.dtype)]), 2: ("<I", len(buffers))}
            buffers.append({0: numbers(content.view(np.uint8).ravel() if content.size else content, "u1")})
        if quantized is not None:
            scales, zeros, axis = quantized
            entry[4] = {2: numbers(scales, "<f4"), 3: numbers(zeros, "<i8"), 6: ("<i", axis)}
        written.append(entry)
    codes = list(dict.fromkeys(code for code, *_ in operators))
    steps = [
        {0: ("<I", codes.index(code)), 1: numbers(inputs, "<i4"), 2: numbers([output], "<i4"), 4: options}
        for code, inputs, output, options in operators
    ]
    graph = {0: written, 1: numbers([0], "<i4"), 2: numbers([operators[-1][2]], "<i4"), 3: steps}
    writer = FlatBuffer()
    root = writer.table({0: ("<I", 3), 1: [{3: ("<i", code)} for code in codes], 2: [graph], 4: buffers})
    struct.pack_into("<I4s", writer.data, 0, root, b"TFL3")
    return bytes(writer.data)


def keras(layers: Sequence[tuple[str, Mapping[str, Any], Mapping[str, np.ndarray]]]) -> bytes:
    """Write a file of layers that follow one another: (class, configuration, arrays)."""
    content = io.BytesIO()
    listed = [{"class_name": "InputLayer", "name": "input_1", "config": {}, "inbound_nodes": []}]
    with h5py.File(content, "w") as file:
        for number, (kind, config, arrays) in enumerate(layers):
            name = f"layer_{number}"
            group = file.create_group(f"model_weights/{name}")
            for key, array in arrays.items():
                group.create_dataset(f"{name}/{key}:0", data=array)
            before = [[[listed[-1]["name"], 0, 0, {}]]]
            listed.append({"class_name": kind, "name": name, "config": dict(config), "inbound_nodes": before})
        file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": {"layers": listed}})
    return content.getvalue()

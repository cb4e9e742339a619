"""Forms in which people pass what a public function takes, and what they pass by mistake, one table per kind of input.

A form gets the canonical value and gives an odd but right one, made anew for each call: iterators are used up.
"""

from __future__ import annotations

from collections import OrderedDict, UserDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

Form = Callable[[Any], Any]


class Column:
    """A column of a table, as pandas has them: an order, a type, and ``__array__``, but no array."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._values, dtype)

    def __iter__(self) -> Any:
        return iter(self._values.tolist())

    def __len__(self) -> int:
        return len(self._values)


def negative_strides(array: np.ndarray) -> np.ndarray:
    turned = np.ascontiguousarray(array[tuple(slice(None, None, -1) for _ in array.shape)])
    return turned[tuple(slice(None, None, -1) for _ in array.shape)]


def every_other(array: np.ndarray) -> np.ndarray:
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def strided_tensor(array: np.ndarray) -> torch.Tensor:
    return tensor(np.ascontiguousarray(array.T)).permute(*range(array.ndim - 1, -1, -1))


STRIDES: dict[str, Form] = {
    "array": np.array,
    "negative strides": negative_strides,
    "every other": every_other,
    "fortran": np.asfortranarray,
    "read-only": read_only,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "masked without a mask": lambda a: np.ma.MaskedArray(a),
    "memmap-like subclass": lambda a: a.view(type("Own", (np.ndarray,), {})),
}
LISTS: dict[str, Form] = {
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(a.tolist()),
    "list of arrays": list,
    "generator": lambda a: (row for row in np.array(a)),
    "table's column": Column,
}
TENSORS: dict[str, Form] = {
    "tensor": tensor,
    "strided tensor": strided_tensor,
    "list of tensors": lambda a: list(tensor(a)),
}
FLOAT_TENSORS: dict[str, Form] = {
    "tensor with gradient": lambda a: tensor(a.astype(np.float32)).requires_grad_(),
    "half": lambda a: tensor(a.astype(np.float16)),
    "bfloat16": lambda a: tensor(a).bfloat16(),
    "parameter": lambda a: torch.nn.Parameter(tensor(a.astype(np.float32))),
    "double": lambda a: tensor(a).double(),
}
FLOATS: dict[str, Form] = {
    name: (lambda a, kind=name: a.astype(kind)) for name in ("float16", "float32", "float64", "longdouble")
}
NUMBERS = STRIDES | LISTS | TENSORS | FLOAT_TENSORS | FLOATS
WHOLE = {
    **STRIDES,
    **LISTS,
    **TENSORS,
    **{name: (lambda a, kind=name: a.astype(kind)) for name in ("uint8", "int16", "uint64")},
}
LABELS: dict[str, Form] = {
    "list": list,
    "tuple": tuple,
    "generator": iter,
    "array": np.array,
    "objects": lambda v: np.array([*v, None], object)[:-1],
    "bytes": lambda v: [one.encode() for one in v],
    "array of bytes": lambda v: np.array([one.encode() for one in v], "S20"),
    "table's column": lambda v: Column(np.array([*v, None], object)[:-1]),
    "capitals": lambda v: [f" {one.upper()} " for one in v],
    "synonyms": lambda v: [{"happiness": "happy", "anger": "Angry"}.get(one, one) for one in v],
    "values of a mapping": lambda v: dict(enumerate(v)).values(),
}
PICTURES: dict[str, Form] = {  # of one picture
    **{name: form for name, form in STRIDES.items() if name != "masked without a mask"},
    "list": lambda a: a.tolist(),
    "tensor": tensor,
    "strided tensor": strided_tensor,
    **{name: (lambda a, kind=name: a.astype(kind)) for name in ("int64", "uint16", "int32")},
}
OPENED: dict[str, Form] = {
    "Pillow image": PIL.Image.fromarray,
    "RGBA image": lambda a: PIL.Image.fromarray(a).convert("RGBA"),
}
SIZES: dict[str, Form] = {
    "int": int,
    "float": float,
    "numpy integer": np.int64,
    "numpy float": np.float32,
    "array without axes": np.array,
    "tensor without axes": torch.tensor,
}
WORDS: dict[str, Form] = {"text": str, "numpy text": np.str_}
FLAGS: dict[str, Form] = {"bool": bool, "numpy bool": np.bool_, "tensor": torch.tensor, "array": np.array}
PATHS: dict[str, Form] = {"text": str, "path": Path, "numpy text": lambda p: np.str_(p)}
MAPPINGS: dict[str, Form] = {"dict": dict, "ordered": OrderedDict, "user's": UserDict}
AS_IT_IS: dict[str, Form] = {"as it is": lambda value: value}

_THINGS = [None, 3.7, "word", b"bytes", {"a": 1}, {1, 2}, object(), lambda: 0, 1j, True, Path("a.png")]
NO_NUMBERS: list[Any] = [
    *_THINGS,
    ["a", "b"],
    [[1.0], [1.0, 2.0]],
    [None],
    np.array(["a"]),
    np.array([1j]),
    np.array([object()]),
    np.zeros((1, 2, 3, 4, 5)),
    torch.zeros(2, 3, 4, 5, 6),
    torch.zeros(2, 3).to_sparse(),
    np.ma.MaskedArray(np.zeros((2, 3)), mask=True),
    np.array("2020-01-01", "datetime64[D]"),
    np.zeros(()),
    PIL.Image.new("RGB", (4, 4)),
]
NO_LABELS: list[Any] = [
    *_THINGS,
    "happiness",
    ["happiness"] * 99,
    ["hapiness", "anger"],
    ["anger", ""],
    [1, 2],
    [["anger"], ["fear"]],
    np.array([0, 1]),
    torch.tensor([0, 1]),
    np.array("anger"),
    {"anger": 1, "fear": 2},
]
NO_SIZES: list[Any] = [
    *[one for one in _THINGS if one != 3.7],
    0,
    -1,
    float("nan"),
    float("inf"),
    "64",
    [64, 2, 3],
    np.zeros(2),
    "",
    1 + 0j,
]
NO_COUNTS = [*NO_SIZES, 3.7, 2.5, np.float32(0.5), torch.tensor(1.5)]
NO_WORDS: list[Any] = [
    *[one for one in _THINGS if one != "word"],
    "no such word",
    "",
    7,
    ["au"],
    "a\0b",
    np.array(["au"]),
]
NO_TEXTS: list[Any] = [one for one in _THINGS if not isinstance(one, str)] + [7, ["au"]]
NO_FLAGS: list[Any] = [*[one for one in _THINGS if one is not True], 0, 1, "yes", "False", [True]]
NO_PATHS: list[Any] = [*[one for one in _THINGS if not isinstance(one, str | Path)], "", "a\0b", 3, ["a"], np.zeros(3)]


def no_pictures(picture: np.ndarray) -> list[Any]:
    """What is taken for a picture by mistake."""
    return [
        *[one for one in _THINGS if not isinstance(one, str | Path)],
        picture / 255,
        (picture / 255).astype(np.float32),
        picture.astype(np.int64) + 1000,
        picture.astype(np.int64) - 1000,
        picture[..., :1],
        np.concatenate([picture, picture[..., :1]], -1),
        np.moveaxis(picture, -1, 0),
        tensor(picture).permute(2, 0, 1),
        tensor(picture).float(),
        picture[:, 0],
        picture[:0],
        picture > 3,
        picture.astype(str),
        np.zeros((0, 5, 3), np.uint8),
    ]


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes:
        good: Name of a form -> function from the canonical value to one in this form.
        bad: Values that must be refused, or a function from the canonical value to them.
        said: Words of which a refusal says one, beside the argument's name.
        as_tensors: Forms by which the result becomes a tensor.
    """

    good: Mapping[str, Form]
    bad: Any = ()
    said: tuple[str, ...] = ()
    as_tensors: frozenset[str] = field(default_factory=frozenset)

    def mistakes(self, value: object) -> list[Any]:
        return list(self.bad(value) if callable(self.bad) else self.bad)

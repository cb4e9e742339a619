"""Nodes of a program in a ``.pt2`` file: what each calls, with what, and what is refused of it.

A node may name one of torch's own operators on tensors, ``aten``, or arithmetic of sizes. torch's loader takes any
function of torch by name, those of its modules included; and among the operators, too, there are some that write files.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from fer_au.errors import ConfigError
from fer_au.models.factory import KEY
from fer_au.models.pt2_file import DTYPES


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ATEN = "torch.ops.aten."
_OF_SIZES = _words("add sub mul floordiv truediv mod neg eq ne lt le gt ge and_ or_")
_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    **{f"_operator.{name}": getattr(operator, name) for name in _OF_SIZES},
    **{f"math.{name}": getattr(math, name) for name in ("ceil", "floor", "trunc", "sqrt")},
    "torch.sym_max": max,
    "torch.sym_min": min,
    "torch.sym_not": operator.not_,
    "torch.sym_int": int,
    "torch.sym_float": float,
}
# Operators with such names are torch's inner ones, some of which trust their arguments; these are what export writes.
_INNER = _words(
    "_adaptive_avg_pool2d _assert_async _assert_scalar _assert_tensor_metadata _conv_depthwise2d _convolution "
    "_log_softmax _native_batch_norm_legit_no_training _reshape_alias _safe_softmax "
    "_scaled_dot_product_flash_attention_for_cpu _softmax _to_copy _unsafe_view _upsample_bicubic2d_aa "
    "_upsample_bilinear2d_aa _weight_norm"
)
_ASSERTING = _words("_assert_async _assert_scalar _assert_tensor_metadata")
_REFUSED = _words("data from_file requires_grad_ resize resize_ resize_as_ retain_grad save set_ set_data")
# Arguments that choose by a word; any other text might be the name of a file.
_TEXTS = _words(
    "approximate assert_msg equation indexing interpolation mode norm ord p pad_mode padding padding_side reduce "
    "rounding_mode side"
)
_GIVEN = ("Tensor", "List[Tensor]", "int", "bool", "float", "number")
_TRAINING = ("training", "train")  # arguments of batch norms and dropouts
_CHANNELS_LAST, _PRESERVED = 2, 4
_FORMATS = {1: torch.contiguous_format, _CHANNELS_LAST: torch.channels_last, _PRESERVED: torch.preserve_format}
_STRIDED = 7
_NOWHERE = "_empty_nn_module_stack"  # torch's word for a node that lies in no module
_NUMBERS = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


class Name(NamedTuple):
    """A value of the graph."""

    name: str


class _Here:
    """The device of the pictures, in the place of any that the file names; the class itself is the value."""


class Node(NamedTuple):
    """One operation: what it calls, with what, the names of what it gives, and the modules that it lies in."""

    call: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    gives: tuple[str, ...]
    alone: bool
    modules: tuple[str, ...]

    @property
    def given(self) -> list[Any]:
        """All arguments."""
        return [*self.args, *self.kwargs.values()]

    def run(self, values: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
        """Compute what the node gives, by name.

        Args:
            values: Values that it may name.
            device: Device that it computes on.
        """
        args = (_fill(one, values, device) for one in self.args)
        result = self.call(*args, **{key: _fill(one, values, device) for key, one in self.kwargs.items()})
        return dict(zip(self.gives, (result,) if self.alone else result, strict=True))


def read_node(node: Mapping[str, Any]) -> Node:
    """Read a node of the graph.

    Args:
        node: The node, JSON of torch's schema.

    Raises:
        ConfigError: It calls something else than a plain operator, or was exported for training.
        KeyError, TypeError, ValueError: It is damaged.
    """
    target = node["target"]
    call: Any = _ARITHMETIC.get(target) or _find_operator(target)
    given = [(one["name"], read_argument(one["arg"])) for one in node["inputs"]]
    gives, alone = _read_results(node["outputs"])
    modules = _modules(node.get("metadata") or {})
    if target in _ARITHMETIC:
        return Node(call, tuple(value for _, value in given), {}, gives, alone, modules)
    named = dict(given)
    if any(named.get(mode) is True for mode in _TRAINING):
        raise ConfigError(f"{KEY}: the file was exported in training mode; call eval() before torch.export.export")
    if unknown := set(named) - {one.name for one in call._schema.arguments}:
        raise ConfigError(f"{KEY}: operator {target!r} has no argument {min(unknown)!r} in this version of torch")
    return Node(call, (), named, gives, alone, modules)


def _find_operator(target: object) -> Any:  # noqa: ANN401 (torch's operators have no public type)
    """Find one of torch's own operators on tensors.

    Raises:
        ConfigError: It is something else, which might reach files, or memory that isn't its own.
    """
    name, _, overload = str(target).removeprefix(_ATEN).partition(".")
    known = str(target).startswith(_ATEN) and (not name.startswith("_") or name in _INNER) and name not in _REFUSED
    operator_ = getattr(getattr(torch.ops.aten, name, None), overload, None) if known and name.isidentifier() else None
    if not isinstance(operator_, torch._ops.OpOverload) or not _is_plain(operator_, name):
        raise ConfigError(f"{KEY}: the file calls {target!r}, which is none of torch's plain operators")
    return operator_


def _is_plain(call: torch._ops.OpOverload[..., Any], name: str) -> bool:
    """Tell whether an operator makes tensors and numbers of tensors, numbers, and choices by word."""
    returns = [str(one.type) for one in call._schema.returns]
    texts = [one.name for one in call._schema.arguments if "str" in str(one.type)]
    gives = all(one in _GIVEN for one in returns) and (bool(returns) or name in _ASSERTING)
    return gives and all(one in _TEXTS for one in texts)


def read_argument(argument: Mapping[str, Any]) -> Any:  # noqa: ANN401 (of any kind)
    """Read an argument: a number, a choice, the name of a value, or a list of these; raises as ``read_node``."""
    ((kind, value),) = argument.items()
    single, many = kind.removesuffix("s"), kind.endswith("s")
    if kind == "as_optional_tensors":
        return [read_argument(one) for one in value]
    if single not in _READ:
        raise ConfigError(f"{KEY}: the file has an argument of kind {kind!r}, which no plain operator takes")
    return [_READ[single](one) for one in value] if many else _READ[single](value)


def _read_number(value: object) -> float:
    return _NUMBERS[value] if isinstance(value, str) else float(value)  # type: ignore[arg-type]


def _read_size(value: Mapping[str, Any]) -> Any:  # noqa: ANN401 (a number, or the name of one)
    ((kind, one),) = value.items()
    return Name(one) if kind == "as_name" else _READ[kind](one)


def _checked(kind: type) -> Callable[[object], object]:
    def check(value: object) -> object:
        if type(value) is not kind:
            raise TypeError(f"expected a value of type {kind.__name__}, got {value!r:.40}")
        return value

    return check


_READ: Mapping[str, Callable[[Any], Any]] = {
    "as_none": lambda value: None,
    "as_tensor": lambda value: Name(value["name"]),
    "as_optional_tensor": lambda value: read_argument(value),
    "as_int": _checked(int),
    "as_bool": _checked(bool),
    "as_string": _checked(str),
    "as_float": _read_number,
    "as_sym_int": _read_size,
    "as_sym_bool": _read_size,
    "as_sym_float": _read_size,
    "as_scalar_type": lambda value: DTYPES[value],
    "as_memory_format": lambda value: _FORMATS[value],
    "as_layout": lambda value: {_STRIDED: torch.strided}[value],
    "as_device": lambda value: _Here,
}


def _read_results(outputs: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], bool]:
    """Read the names of what a node gives, and whether it gives one value, and no list."""
    if len(outputs) == 1 and "as_tensors" in outputs[0]:
        return tuple(one["name"] for one in outputs[0]["as_tensors"]), False
    names = []
    for output in outputs:
        ((kind, value),) = output.items()
        if kind not in ("as_tensor", "as_sym_int", "as_sym_bool", "as_sym_float", "as_none"):
            raise ConfigError(f"{KEY}: the file has a result of kind {kind!r}, which no plain operator gives")
        names.append("" if kind == "as_none" else value["name"] if kind == "as_tensor" else value["as_name"])
    return tuple(names) or ("",), len(names) <= 1


def _modules(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Read the paths of the modules that a node lies in; each is written as key, path and type.

    A module that runs again has the same path, and ``@1`` in its key, which the path gets here.
    """
    stack = metadata.get("nn_module_stack")
    entries = [one.split(",", 2) for one in stack.split(";")] if stack else []
    return tuple(
        f"{path.partition('@')[0]}{'@' if '@' in key else ''}{key.partition('@')[2]}"
        for key, path, _ in (entry for entry in entries if len(entry) == 3)
        if path and not path.startswith(_NOWHERE)
    )


def names_in(values: Sequence[Any]) -> Iterator[str]:
    """List the values that arguments name."""
    for value in values:
        if isinstance(value, Name):
            yield value.name
        elif isinstance(value, list | tuple):
            yield from names_in(value)


def _fill(value: Any, values: Mapping[str, Any], device: torch.device) -> Any:  # noqa: ANN401 (of any kind)
    """Put values in the place of their names."""
    if isinstance(value, Name):
        return values[value.name]
    if value is _Here:
        return device
    return [_fill(one, values, device) for one in value] if isinstance(value, list) else value

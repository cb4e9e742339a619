"""Say what is wrong with a value in the words of someone who writes YAML, not in those of the library that found it."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from fer_au.registry import near_keys
from fer_au.yaml_files import dump_inline

_LONGEST = 60  # characters of a value in a message
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "a text",
    "path": "a path",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping of keys to values",
    "model": "a mapping of keys to values",
}
"""First word of an error's type (``int_parsing``, ``tuple_type``) -> what was expected."""

_NONE = ("no", "off", "none", "never", "false")
"""Words that people write for a thing that isn't to be, which YAML 1.2 reads as texts."""

_BOUNDS = {"too_short": ("least", "min_length"), "too_long": ("most", "max_length")}
"""Type of an error about the length of a list or a mapping -> word for the limit, and pydantic's name of it."""

_EMPTY = "is empty; give"
_SUBJECTS = re.compile(r"(?:Value error, |Assertion failed, |Input (?=should)|String (?=should)|List (?=should))")


def describe(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """Say what is wrong with a value, without the value.

    Args:
        fault: What pydantic found.
        model: The model that was to be built.
    """
    kind, value = fault["type"], fault["input"]
    first, _, rest = kind.partition("_")
    if counted := fixed_list(model, fault):
        return f"should be a list of {counted}"
    if kind == "invalid_key":
        return f"a key should be a text, not {short(value)}; decimals are written with a point, as 0.5"
    if first in _KINDS and (rest in ("type", "parsing", "from_float", "parsing_size", "attributes_type")):
        if value is None:
            required = any(field.is_required() for field in fields_at(model, fault["loc"]))
            return f"{_EMPTY} {_KINDS[first]}{'' if required else ', or delete the key'}"
        return f"should be {_KINDS[first]}"
    if kind in _BOUNDS:
        word, limit = _BOUNDS[kind]
        return f"should have at {word} {(count := fault['ctx'][limit])} item{'' if count == 1 else 's'}"
    text = _SUBJECTS.sub("", fault["msg"], count=1)
    if fault["msg"].startswith("Value error, "):
        return text  # of the project itself; it may begin with a user's word
    if value is None and text.startswith("should be "):
        return f"{_EMPTY} {text.removeprefix('should be ')}"
    return f"{text[:1].lower()}{text[1:]}"


def show(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """Show a wrong value, and how the one that was meant is written; nothing where that helps nobody.

    Args:
        fault: What pydantic found.
        model: The model that was to be built.
    """
    value = fault["input"]
    together = fault["type"] == "value_error" and isinstance(value, Mapping)  # keys that don't fit together
    if value is None or together or fault["type"] == "invalid_key":
        return ""
    return f", got {short(value)}{_advice(fault, model)}"


def _advice(fault: ErrorDetails, model: type[BaseModel]) -> str:
    value, kind = fault["input"], fault["type"].partition("_")[0]
    field = next(iter(fields_at(model, fault["loc"]) or fields_at(model, fault["loc"][:-1])), None)
    kinds = _alternatives(_whole(field)) if field is not None else []
    if value is False or value == 0 or (isinstance(value, str) and value.casefold() in _NONE):
        if NoneType in kinds:
            return "; write `null` for none"
        if off := next((one for one in (getattr(_plain(kind), "OFF", None) for kind in kinds) if one), None):
            return f"; write `{dump_inline(dict(off))}` for none"
    if kind == "literal" and isinstance(value, str):
        near = near_keys(value, re.findall("'([^']*)'", str(fault.get("ctx", {}).get("expected", ""))))
        return f"; did you mean {' or '.join(near)}?" if near else ""
    if (wrapped := next((one for one in (_wrapped(kind, value) for kind in kinds) if one is not None), None)) and (
        len(written := dump_inline(wrapped)) <= _LONGEST
    ):
        return f"; write `{written}`"
    if kind in ("int", "float") and isinstance(value, str):
        return _number_advice(value)
    if fault["type"] == "string_type" and isinstance(value, bool | int | float):
        return "; put it in quotes"
    return ""


def _whole(field: FieldInfo) -> object:
    """Give the type of a field with its limits."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _alternatives(kind: object) -> list[object]:
    """List the types of a union; of any other type, itself."""
    plain = _plain(kind)
    origin = get_origin(plain)
    return list(get_args(plain)) if origin in (Union, UnionType) else [kind]


def _wrapped(kind: object, value: object) -> object:
    """Write a value as a type wants it that holds such values in a list, or under its first key; else None."""
    plain = _plain(kind)
    items = get_args(plain)
    if isinstance(value, bool | list | None):
        return None
    if get_origin(plain) is list or (get_origin(plain) is tuple and items[-1] is Ellipsis):
        item = value if _fits(items[0], value) else _wrapped(items[0], value)
        return None if item is None else [item]
    if isinstance(plain, type) and issubclass(plain, BaseModel) and not isinstance(value, Mapping):
        name, field = next(iter(plain.model_fields.items()))
        meant = isinstance(value, str) or field.is_required()  # a number may be meant for any other key
        return {name: value} if meant and _fits(_whole(field), value) else None
    return None


def _fits(kind: Any, value: object) -> bool:  # noqa: ANN401 (any type)
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def _number_advice(text: str) -> str:
    number = text.strip().removesuffix("%").strip().replace(",", ".")
    if not re.fullmatch(r"[+-]?\d*\.?\d+", number):
        return ""
    if text.strip().endswith("%"):
        return f"; write it as {float(number) / 100:g}"
    return f"; the decimal sign is a point: {number}" if "," in text else ""


def fixed_list(model: type[BaseModel], fault: ErrorDetails) -> str:
    """Say what a list of a fixed length holds, such as ``two numbers``; empty where a fault is about something else."""
    location = fault["loc"]
    if fault["type"] == "missing" and isinstance(location[-1], int):
        location = location[:-1]
    elif fault["type"] not in ("tuple_type", "too_long", "too_short"):
        return ""
    for kind in _kinds_at(model, location):
        items = get_args(kind) if get_origin(kind) is tuple else ()
        if items and items[-1] is not Ellipsis:
            numbers = all(_plain(item) in (int, float) for item in items)
            count = _NUMBERS[len(items)] if len(items) < len(_NUMBERS) else str(len(items))
            return f"{count} {'numbers' if numbers else 'values'}"
    return ""


def _kinds_at(kind: object, location: Sequence[int | str]) -> list[object]:
    """List the types that may stand at a place inside a type; pydantic's names of alternatives may be on the way."""
    found = [kind] if not location else []
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = kind.model_fields
        if location and location[0] in fields:
            found += _kinds_at(fields[str(location[0])].annotation, location[1:])
        return found
    rests = [location, location[1:]] if location else [location]
    return found + [one for inner in get_args(kind) for rest in rests for one in _kinds_at(inner, rest)]


def fields_at(model: type[BaseModel], location: Sequence[int | str]) -> list[FieldInfo]:
    """List the fields that a location means; none where its last part is a position or the name of an alternative."""
    *above, last = location
    owners = (kind for kind in _kinds_at(model, above) if isinstance(kind, type) and issubclass(kind, BaseModel))
    return [owner.model_fields[str(last)] for owner in owners if last in owner.model_fields]


def join(texts: Sequence[str]) -> str:
    """Say in one text what the alternatives of a type find wrong with one value."""
    first, *more = dict.fromkeys(texts)
    rest = [text.removeprefix("should be ") for text in more if not text.startswith(_EMPTY)]
    return " or ".join([first, *rest])


def _plain(kind: object) -> object:
    """Take a type out of ``Annotated``."""
    return get_args(kind)[0] if hasattr(kind, "__metadata__") else kind


def short(value: object) -> str:
    """Show a value in a message; a large value is cut before it is written out."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = shortener.maxlong = _LONGEST
    shortener.maxlevel = 2
    text = shortener.repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."

"""The keys of params.yaml as the models declare them, so that a new key without an example is a failing test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, get_args

import torch
from pydantic import BaseModel

from fer_au.config.unread import find_unread


class Case(NamedTuple):
    """Two values of a key.

    Attributes:
        one: A value; MISSING leaves the key out.
        other: Another value.
        beside: Dotted keys that have to be set for the key to be read, or not to be.
    """

    one: Any
    other: Any
    beside: Mapping[str, Any] = {}


MISSING = object()


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """List the dotted keys of a model and of all models in it; ``[]`` stands for the items of a list."""
    for name, field in model.model_fields.items():
        inner = list(_models(field.annotation))
        if not inner:
            yield prefix + name
        for one, mark in inner:
            yield from leaves(one, f"{prefix}{name}{mark}.")


def _models(kind: object, mark: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind, mark
    for inner in get_args(kind):
        yield from _models(inner, "[]" if getattr(kind, "__origin__", None) in (tuple, list) else mark)


def rules(model: type[BaseModel]) -> set[str]:
    """List the dotted keys that a model, or a model in it, reads beside some values only."""
    own = {rule.key for rule in getattr(model, "READ_IF", ())}
    for name, field in model.model_fields.items():
        for inner, mark in _models(field.annotation):
            own |= {f"{name}{mark}.{key}" for key in rules(inner)}
    return own


def put(data: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Set dotted keys of plain data, in place; ``[]`` is the first item of a list. MISSING deletes a key."""
    for path, value in changes.items():
        place: Any = data
        *above, last = path.replace("[]", ".0").split(".")
        for part in above:
            place = place[int(part)] if part.isdigit() else place.setdefault(part, {})
        if value is MISSING:
            place.pop(last, None)
        else:
            place[last] = value
    return data


def unread(model: BaseModel) -> set[str]:
    """List the written keys of a model that nothing reads."""
    return {".".join(map(str, one.place)).replace(".0.", "[].") for one in find_unread(model)}


def digest(*parts: Any) -> str:
    """Hash tensors, and the texts of anything else."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, torch.Tensor):
            total.update(str(tuple(part.shape)).encode() + part.detach().float().numpy().tobytes())
        elif isinstance(part, list | tuple):
            total.update(digest(*part).encode())
        else:
            total.update(repr(part).encode())
    return total.hexdigest()


def cases(table: Mapping[str, Mapping[str, Case]]) -> list[tuple[str, str]]:
    """List owners and keys of a table, for parametrisation."""
    return [(owner, key) for owner, keys in table.items() for key in keys]


def texts(values: Iterable[object]) -> str:
    """Join texts for a message."""
    return ", ".join(map(str, values))

"""Keys of the models of the settings: which may stand at a place, and which one a user meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args, get_origin

from pydantic import BaseModel

from fer_au.registry import near_keys, near_names

_SHOWN = 5  # suggestions in a message
_MISSPELT = 0.8  # how alike names are that differ by a slip; with such a one, remoter ones are no help


@dataclass(frozen=True)
class PartOf:
    """Mark of a key that holds some of a model's keys as plain data, checked elsewhere.

    Attributes:
        model: The model.
    """

    model: type[BaseModel]


def known_keys(kind: object, location: Sequence[int | str]) -> list[str]:
    """List the keys that may stand at a place inside a type.

    Args:
        kind: A model, or a list, tuple, mapping, union or annotated type in which models occur.
        location: Keys and positions that lead to the place, pydantic's names of a union's alternatives included.

    Returns:
        The keys of every model that may stand there; empty where none does.
    """
    return list(dict.fromkeys(key for model in _models_at(kind, location) for key in _kinds(model)))


def suggest_keys(name: str, kind: object, location: Sequence[int | str]) -> str:
    """Say which keys a user may have meant by an unknown one: near names at its place, or the right name further in.

    Args:
        name: The unknown key.
        kind: Type that the place lies in, as for ``known_keys``.
        location: Keys and positions that lead to the place.

    Example:
        >>> from fer_au.config.experiments import ExperimentConfig
        >>> suggest_keys("lr", ExperimentConfig, ())
        'did you mean train.optimizer.lr?'
    """
    here = known_keys(kind, location)
    leaves: dict[str, list[str]] = {}  # last part of a path -> paths
    for path in dict.fromkeys(path for model in _models_at(kind, location) for path in _paths(model)):
        leaves.setdefault(path.rpartition(".")[2], []).append(path)
    slips = near_keys(name, here, alike=_MISSPELT)
    if name in leaves:
        found = [*leaves[name], *slips]
    elif slips:
        found = near_keys(name, here)
    else:
        near = near_keys(name, leaves, alike=_MISSPELT) or near_keys(name, here) or near_keys(name, leaves)
        found = [path for leaf in near for path in leaves[leaf]]
    return f"did you mean {' or '.join(found[:_SHOWN])}?" if found else near_names(name, here)


def _kinds(model: type[BaseModel]) -> dict[str, object]:
    """List a model's keys with the types of their values."""
    kinds: dict[str, object] = {}
    for name, field in model.model_fields.items():
        part = next((mark.model for mark in field.metadata if isinstance(mark, PartOf)), None)
        kinds[field.alias or name] = part or field.annotation
    return kinds


def _models_at(kind: object, location: Sequence[int | str]) -> list[type[BaseModel]]:
    """List the models that may stand at a place inside a type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not location:
            return [kind]
        if location[0] in (kinds := _kinds(kind)):
            return _models_at(kinds[str(location[0])], location[1:])
    # A container's items are one step further; a union's alternatives are at the same place, or behind their name.
    rests = [location, location[1:]] if location else [location]
    inside = [model for inner in get_args(kind) for rest in rests for model in _models_at(inner, rest)]
    return list(dict.fromkeys(inside))


def _paths(model: type[BaseModel]) -> Iterator[str]:
    """List the dotted paths of all keys below a model; of a list, those of its first item."""
    for key, kind in _kinds(model).items():
        yield key
        first = f"{key}.0" if get_origin(kind) in (list, tuple) else key
        for inner in _models_at(kind, ()):
            yield from (f"{first}.{path}" for path in _paths(inner))

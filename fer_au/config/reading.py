"""Read sections of ``params.yaml`` into strict models; every fault is one line that names the key's path."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from fer_au.errors import ConfigError
from fer_au.registry import near_names
from fer_au.yaml_files import read_yaml

PARAMS = Path("params.yaml")
SECTIONS = ("datasets", "render", "align", "landmarks", "heatmaps", "train", "evaluate", "experiments", "cross")
_MAPPINGS = ("datasets", "render", "experiments", "cross")  # their keys are names that the user gives
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_LONGEST = 60  # characters of a value in a message


class StrictModel(BaseModel):
    """Base of all configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=StrictModel)


def read_params(path: Path = PARAMS) -> dict[str, Any]:
    """Read the whole file as plain data and check its top level.

    Raises:
        ConfigError: The file is missing or not YAML, a section is unknown, the name of a data set or experiment is bad,
            or faces would be rendered for no data set.
    """
    data = read_yaml(path)
    for key in data:
        if key not in SECTIONS:
            raise ConfigError(f"{path}: unknown key {key!r}; {near_names(str(key), SECTIONS)}")
    for section in _MAPPINGS:
        if section in data:
            _check_names(data[section], section, path)
    for name in data.get("render", {}):
        if name not in data.get("datasets", {}):
            raise ConfigError(f"{path}: render.{name}: no data set {name!r} reads these faces; delete this key, too")
    return data


def _check_names(entries: object, section: str, path: Path) -> None:
    if entries is None:
        raise ConfigError(f"{path}: {section} is empty, which DVC refuses; write `{section}: {{}}`")
    if not isinstance(entries, dict):
        raise ConfigError(f"{path}: {section} must be a mapping from names")
    for name in entries:
        if not isinstance(name, str):
            kind = "nothing" if name is None else f"a value of type {type(name).__name__}"
            raise ConfigError(
                f"{path}: {section}.{name}: YAML reads this name as {kind}; begin it with a letter, or quote it"
            )
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{path}: {section}.{name}: a name must match {_NAME.pattern}")


def load_section(section: str, model: type[Model], path: Path = PARAMS) -> Model:
    """Load one section, such as ``align``; a missing one means its defaults."""
    return validate(model, read_params(path).get(section) or {}, section, path)


def load_entry(section: str, name: str, model: type[Model], path: Path = PARAMS) -> Model:
    """Load one named entry of a mapping section, such as ``datasets.demo``."""
    return validate(model, entry(section, name, path), f"{section}.{name}", path)


def entry(section: str, name: str, path: Path = PARAMS) -> dict[str, Any]:
    """Read one named entry of a mapping section as plain data.

    Raises:
        ConfigError: The section has no such entry, or the entry is not a mapping.
    """
    entries = read_params(path).get(section) or {}
    if name not in entries:
        raise ConfigError(f"{path}: {section} has no {name!r}; {near_names(name, entries)}")
    found = entries[name]
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: {section}.{name} must be a mapping")
    return found


def validate(model: type[Model], data: Mapping[str, Any], prefix: str, path: Path | str) -> Model:
    """Validate plain data and make a typed model of it.

    Args:
        model: Class of the model.
        data: Plain mapping.
        prefix: Path of the mapping's key, used in messages; may be empty.
        path: File of the mapping, used in messages.

    Raises:
        ConfigError: A key or value is bad. The message is one line with file, path of the key and reason; of several
            faults, it is about an unknown key or else the first.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = error.errors()
        # A misspelt key also leaves the right one missing, or its default in place.
        first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ConfigError(f"{path}: {_explain(first, model, data, prefix)}{more}") from error


def _explain(fault: ErrorDetails, model: type[BaseModel], data: object, prefix: str) -> str:
    location = fault["loc"]
    missing = fault["type"] == "missing"
    parts = _keys_on_the_way(data, location[:-1] if missing else location) + [*location[-1:]] * missing
    key = ".".join([*filter(None, [prefix]), *map(str, parts)])
    if fault["type"] == "extra_forbidden":
        return f"{key}: unknown key; {near_names(str(location[-1]), known_keys(model, location[:-1]))}"
    if missing:
        return f"{key}: required key is missing"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key}: {message[:1].lower()}{message[1:]}, got {_short(fault['input'])}"


def _keys_on_the_way(data: object, location: Sequence[int | str]) -> list[int | str]:
    """Keep the parts of a location that are keys or positions in the data, not pydantic's names of alternatives."""
    keys: list[int | str] = []
    for part in location:
        inside = range(len(data)) if isinstance(data, list | tuple) else data
        if isinstance(inside, range | Mapping) and part in inside:
            data = data[part]  # type: ignore[index]
        elif isinstance(part, str):
            continue
        keys.append(part)
    return keys


def known_keys(kind: object, location: Sequence[int | str]) -> list[str]:
    """List the keys that may stand at a place inside a type.

    Args:
        kind: A model, or a list, tuple, mapping, union or annotated type in which models occur.
        location: Keys and positions that lead to the place, pydantic's names of a union's alternatives included.

    Returns:
        The keys of every model that may stand there; empty where none does.
    """
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
        if not location:
            return list(fields)
        if location[0] in fields:
            return known_keys(fields[str(location[0])], location[1:])
    # A container's items are one step further; a union's alternatives are at the same place, or behind their name.
    rests = [location, location[1:]] if location else [location]
    return list(dict.fromkeys(key for inner in get_args(kind) for rest in rests for key in known_keys(inner, rest)))


def _short(value: object) -> str:
    """Show a value in a message; a large value is cut before it is written out."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = shortener.maxlong = _LONGEST
    shortener.maxlevel = 2
    text = shortener.repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."

"""Read sections of ``params.yaml`` into strict models; every fault is one line that names the key's path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from fer_au.errors import ConfigError
from fer_au.registry import near_names

PARAMS = Path("params.yaml")
SECTIONS = ("datasets", "align", "landmarks", "heatmaps", "train", "evaluate", "experiments", "cross")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class StrictModel(BaseModel):
    """Base of all configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=StrictModel)


def read_params(path: Path = PARAMS) -> dict[str, Any]:
    """The whole file as plain data, with its top level checked.

    Raises:
        ConfigError: Missing file, bad YAML, unknown section, or a bad name of a data set or experiment.
    """
    data = read_yaml(path)
    for key in data:
        if key not in SECTIONS:
            raise ConfigError(f"{path}: unknown key {key!r}; {near_names(str(key), SECTIONS)}")
    for section in ("datasets", "experiments", "cross"):
        entries = data.get(section) or {}
        if not isinstance(entries, dict):
            raise ConfigError(f"{path}: {section} must be a mapping from names")
        for name in entries:
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ConfigError(f"{path}: {section}.{name}: a name must match [a-z0-9][a-z0-9_-]*")
    return data


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping.

    Raises:
        ConfigError: Missing file, bad YAML, a key that appears twice, or no mapping.
    """
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if (repeated := _repeated_key(node, "", set())) is not None:
            raise ConfigError(f"{path}: {repeated}: key appears twice")
        data = loader.construct_document(node) if node else None
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file") from error
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a UTF-8 text") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: not valid YAML: nested too deeply") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must hold a mapping")
    return data


def _repeated_key(node: yaml.Node | None, where: str, seen: set[yaml.Node]) -> str | None:
    """Find the dotted path of the first key that a mapping has twice; YAML loaders silently take the last."""
    if not isinstance(node, yaml.CollectionNode) or node in seen:
        return None
    seen.add(node)  # an alias may contain itself
    if isinstance(node, yaml.MappingNode):
        entries = [(f"{where}{key.value}", key.tag, value) for key, value in node.value]
    else:
        entries = [(f"{where}{number}", "", value) for number, value in enumerate(node.value)]
    keys = set()
    for path, tag, value in entries:
        if (path, tag) in keys:
            return path
        keys.add((path, tag))
        if (deeper := _repeated_key(value, f"{path}.", seen)) is not None:
            return deeper
    return None


def load_section(section: str, model: type[Model], path: Path = PARAMS) -> Model:
    """One section, such as ``align``; a missing one means its defaults."""
    return validate(model, read_params(path).get(section) or {}, section, path)


def load_entry(section: str, name: str, model: type[Model], path: Path = PARAMS) -> Model:
    """One named entry of a mapping section, such as ``datasets.demo``."""
    return validate(model, entry(section, name, path), f"{section}.{name}", path)


def entry(section: str, name: str, path: Path = PARAMS) -> dict[str, Any]:
    """One named entry of a mapping section as plain data.

    Raises:
        ConfigError: There is no such entry, or it is not a mapping.
    """
    entries = read_params(path).get(section) or {}
    if name not in entries:
        raise ConfigError(f"{path}: {section} has no {name!r}; {near_names(name, entries)}")
    found = entries[name]
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: {section}.{name} must be a mapping")
    return found


def validate(model: type[Model], data: Mapping[str, Any], prefix: str, path: Path | str) -> Model:
    """Validate plain data.

    Args:
        model: What to build.
        data: The plain mapping.
        prefix: The path of its key, for messages; may be empty.
        path: The file, for messages.

    Raises:
        ConfigError: One line per first fault: file, key path, what is wrong.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # A misspelt key is another one's absence: the misspelling says more.
        first = min(error.errors(), key=lambda fault: fault["type"] == "missing")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ConfigError(f"{path}: {_explain(first, model, prefix)}{more}") from error


def _explain(fault: ErrorDetails, model: type[BaseModel], prefix: str) -> str:
    location = [str(part) for part in fault["loc"] if part != "[key]"]  # pydantic's mark of a fault in a mapping's key
    key = ".".join([*filter(None, [prefix]), *location])
    if fault["type"] == "extra_forbidden":
        return f"{key}: unknown key; {near_names(location[-1], _fields(model, location[:-1]))}"
    if fault["type"] == "missing":
        return f"{key}: required key is missing"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key}: {message[:1].lower()}{message[1:]}, got {_short(fault['input'])}"


def _fields(model: type[BaseModel], location: list[str]) -> list[str]:
    """The keys allowed at a place inside a model; empty where the place isn't a plain nested model."""
    for part in location:
        field = model.model_fields.get(part)
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

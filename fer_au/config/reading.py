"""Read sections of ``params.yaml`` into strict models; every fault is one line that names the key's path."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from fer_au.errors import ConfigError
from fer_au.home import at_home
from fer_au.registry import near_keys, near_names
from fer_au.yaml_files import read_yaml

PARAMS = Path("params.yaml")
SECTIONS = ("datasets", "render", "align", "landmarks", "heatmaps", "train", "evaluate", "experiments", "cross")
NAMED = ("datasets", "render", "experiments", "cross")
"""Sections that are mappings from names that the user gives."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_LONGEST_NAME = 150  # characters, so that files can be called after it
_LONGEST = 60  # characters of a value in a message


class StrictModel(BaseModel):
    """Base of all configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=StrictModel)


def _at_home(path: Path) -> Path:
    try:
        return at_home(path)
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _text_at_home(text: str) -> str:
    return str(_at_home(Path(text))) if text.startswith("~") else text


UserPath = Annotated[Path, AfterValidator(_at_home)]
"""A path; ``~`` at its start is the home folder."""

NameOrPath = Annotated[str, AfterValidator(_text_at_home)]
"""A name or a path, as text; ``~`` at its start is the home folder."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a configuration.

    Attributes:
        key: Path of the key, such as ``experiments.au.guidance.0.weight``; empty for the whole file.
        text: Description of the fault, with a remedy.
    """

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}" if self.key else self.text


def read_params(path: Path = PARAMS) -> dict[str, Any]:
    """Read the whole file as plain data and check its top level.

    Raises:
        ConfigError: The file is missing or not YAML, a section is unknown, the name of a data set or experiment is bad,
            or faces would be rendered for no data set.
    """
    data = read_yaml(path)
    refuse(path, find_top_faults(data))
    return data


def find_top_faults(params: Mapping[str, Any]) -> list[Fault]:
    """List unknown sections, sections that hold no mapping, and bad names of data sets, experiments and crosses."""
    faults = [
        Fault(str(key), f"unknown key; {near_names(str(key), SECTIONS)}") for key in params if key not in SECTIONS
    ]
    for section in SECTIONS:
        entries = params.get(section, {})
        if entries is None and section in NAMED:
            faults.append(Fault(section, f"it is empty, which DVC refuses; write `{section}: {{}}`"))
        elif not isinstance(entries, dict | None):
            of = " from names" if section in NAMED else ""
            faults.append(Fault(section, f"must be a mapping{of}, got {_short(entries)}"))
        elif section in NAMED and entries:
            faults += filter(None, (_name_fault(section, name) for name in entries))
    rendered, datasets = params.get("render"), params.get("datasets")
    for name in rendered if isinstance(rendered, dict) else ():
        if not isinstance(datasets, dict) or name not in datasets:
            faults.append(Fault(f"render.{name}", f"no data set {name!r} reads these faces; delete this key, too"))
    for name, data in datasets.items() if isinstance(datasets, dict) else ():
        root = data.get("root") if isinstance(data, dict) else None
        if isinstance(root, str) and root.startswith("~"):
            advice = f"DVC, which watches this folder, takes ~ literally; write {os.path.expanduser(root)}"  # noqa: PTH111
            faults.append(Fault(f"datasets.{name}.root", advice))
    return faults


def _name_fault(section: str, name: object) -> Fault | None:
    key = f"{section}.{name}"
    if not isinstance(name, str):
        kind = "nothing" if name is None else f"a value of type {type(name).__name__}"
        return Fault(key, f"YAML reads this name as {kind}; begin it with a letter, or quote it")
    if text := name_fault(name):
        return Fault(key, text)
    if section == "experiments" and name == "none":
        return Fault(key, "`base: none` means no experiment; take another name")
    return None


def name_fault(name: str) -> str:
    """Say why a text can't be the name of a data set, an experiment or a cross; empty if it can."""
    if not _NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")
        return f"a name must match {_NAME.pattern}{f', such as {near}' if near else ''}"
    return f"a name has at most {_LONGEST_NAME} characters" if len(name) > _LONGEST_NAME else ""


def refuse(path: Path | str, faults: Sequence[Fault]) -> None:
    """Refuse a configuration that has faults.

    Args:
        path: The file, for messages.
        faults: What was found wrong.

    Raises:
        ConfigError: There are faults; the first one, and how many more.
    """
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ConfigError(f"{path}: {faults[0]}{more}")


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
    """Validate plain data.

    Args:
        model: What to build.
        data: The plain mapping.
        prefix: The path of its key, for messages; may be empty.
        path: The file, for messages.

    Raises:
        ConfigError: One line about the first fault, an unknown key before any other: file, key path, what is wrong.
    """
    built, faults = examine(model, data, prefix)
    refuse(path, faults)
    return cast(Model, built)


def examine(model: type[Model], data: object, prefix: str) -> tuple[Model | None, list[Fault]]:
    """Build a model, or list all that is wrong; arguments as in ``validate``.

    Returns:
        The model, None if there are faults; and the faults, one for each key, unknown keys first.
    """
    if not isinstance(data, Mapping):
        return None, [Fault(prefix, f"must be a mapping, got {_short(data)}")]
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        found = error.errors()
    # A misspelt key also leaves the right one missing: that is one fault.
    unknown = [fault for fault in found if fault["type"] == "extra_forbidden"]
    meant = {
        (*fault["loc"][:-1], near)
        for fault in unknown
        for near in near_keys(str(fault["loc"][-1]), known_keys(model, fault["loc"][:-1]))
    }
    rest = [
        fault
        for fault in found
        if fault["type"] != "extra_forbidden" and not (fault["type"] == "missing" and fault["loc"] in meant)
    ]
    texts: dict[str, list[str]] = {}
    values: dict[str, str] = {}
    for fault in [*unknown, *rest]:
        key, text, value = _explain(fault, model, data, prefix)
        known = texts.setdefault(key, [])
        if text not in known:
            known.append(text.removeprefix("input should be ") if known else text)
        values[key] = value
    # Of a union's alternatives, the one that fits further in is meant.
    outer = {key for key in texts if any(other.startswith(f"{key}.") for other in texts)}
    return None, [Fault(key, " or ".join(texts[key]) + values[key]) for key in texts if key not in outer]


def salvage(model: type[Model], data: Mapping[str, Any]) -> Model | None:
    """Build a model of what is right in plain data, to look further for faults; None if a required key is wrong."""
    _, faults = examine(model, data, "")
    wrong = {fault.key.partition(".")[0] for fault in faults}
    return examine(model, {key: value for key, value in data.items() if key not in wrong}, "")[0]


def _explain(fault: ErrorDetails, model: type[BaseModel], data: object, prefix: str) -> tuple[str, str, str]:
    """Give the key of a fault, what is wrong, and what was got instead."""
    location = fault["loc"]
    missing = fault["type"] == "missing"
    parts = _keys_on_the_way(data, location[:-1] if missing else location) + [*location[-1:]] * missing
    key = ".".join([*filter(None, [prefix]), *map(str, parts)])
    if fault["type"] == "extra_forbidden":
        return key, f"unknown key; {near_names(str(location[-1]), known_keys(model, location[:-1]))}", ""
    if missing:
        return key, "required key is missing", ""
    message = fault["msg"].removeprefix("Value error, ")
    whole = fault["type"] == "value_error" and isinstance(fault["input"], Mapping)  # keys that don't fit together
    return key, f"{message[:1].lower()}{message[1:]}", "" if whole else f", got {_short(fault['input'])}"


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

"""Read sections of ``params.yaml`` into strict models; every fault is one line that names the key's path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails, PydanticKnownError

from fer_au.config.keys import known_keys, suggest_keys
from fer_au.config.truth import number_for_truth
from fer_au.config.unread import ReadIf, find_unread
from fer_au.config.wording import describe, fields_at, fixed_list, join, short, show
from fer_au.errors import ConfigError, ConfigProblemsError
from fer_au.home import at_home
from fer_au.registry import near_keys, near_names
from fer_au.yaml_files import read_yaml

PARAMS = Path("params.yaml")
SECTIONS = ("datasets", "render", "align", "landmarks", "heatmaps", "train", "evaluate", "experiments", "cross")
NAMED = ("datasets", "render", "experiments", "cross")
"""Sections that are mappings from names that the user gives."""

MISSING = "required key is missing"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_LONGEST_NAME = 150  # characters, so that files can be called after it
_MOST_ROUNDS = 20  # of taking out what is wrong; each finds what the one before hid


class StrictModel(BaseModel):
    """Base of all configuration: immutable; an unknown key, and a written value that nothing reads, are errors.

    A truth value is no number: ``epochs: true`` would be 1.

    Attributes:
        READ_IF: When keys are read that others switch off.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    READ_IF: ClassVar[tuple[ReadIf, ...]] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        if wanted := number_for_truth(cls.model_fields[str(info.field_name)].annotation, value):
            raise PydanticKnownError(wanted)
        return value


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
        stops: Whether something would stop; otherwise it is a thing to know.
    """

    key: str
    text: str
    stops: bool = True

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


def as_meant(params: Mapping[str, Any]) -> dict[str, Any]:
    """Give the sections under their right names: a misspelt key is the section that it is near, if that one is missing.

    Example:
        >>> as_meant({"dataset": {}, "Train": {}, "foo": 1})
        {'datasets': {}, 'train': {}, 'foo': 1}
    """
    meant: dict[str, Any] = {}
    for key, value in params.items():
        near = [] if key in SECTIONS else near_keys(str(key), SECTIONS)
        name = next((one for one in near if one not in params and one not in meant), key)
        meant[name] = value
    return meant


def find_top_faults(params: Mapping[str, Any]) -> list[Fault]:
    """List unknown sections, sections that hold no mapping, and bad names of data sets, experiments and crosses."""
    faults = [
        Fault(str(key), f"unknown key; {near_names(str(key), SECTIONS)}") for key in params if key not in SECTIONS
    ]
    params = as_meant(params)
    for section in SECTIONS:
        entries = params.get(section, {})
        if entries is None and section in NAMED:
            faults.append(Fault(section, f"it is empty, which DVC refuses; write `{section}: {{}}`"))
        elif not isinstance(entries, dict | None):
            of = " from names" if section in NAMED else ""
            faults.append(Fault(section, f"must be a mapping{of}, got {short(entries)}"))
        elif section in NAMED and entries:
            faults += find_name_faults(section, entries)
    rendered, datasets = params.get("render"), params.get("datasets")
    for name in rendered if isinstance(rendered, dict) else ():
        if not isinstance(datasets, dict) or name not in datasets:
            faults.append(Fault(f"render.{name}", f"no data set {name!r} reads these faces; delete this key, too"))
    return faults


def find_name_faults(section: str, names: Iterable[object]) -> list[Fault]:
    """Find the keys of a section that can't be names: DVC makes stages, files and folders of them.

    Args:
        section: ``datasets``, ``render``, ``experiments`` or ``cross``.
        names: Its keys.
    """
    return [fault for name in names if (fault := _name_fault(section, name))]


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


def refuse_all(path: Path | str, faults: Sequence[Fault]) -> None:
    """Refuse a configuration as ``refuse`` does, with all faults, one line each.

    A fault that several experiments have alike is one line, about the first of them.

    Raises:
        ConfigProblemsError: There are faults.
    """
    alike: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        section, _, rest = fault.key.partition(".")
        own = rest.partition(".")[2] if section in NAMED else fault.key
        alike.setdefault((own if section == "experiments" else fault.key, fault.text), []).append(fault)
    if alike:
        counts = [(found[0], len({fault.key for fault in found})) for found in alike.values()]
        more = [f"; {count - 1} more have the same fault" if count > 1 else "" for _, count in counts]
        raise ConfigProblemsError([f"{path}: {fault}{text}" for (fault, _), text in zip(counts, more, strict=True)])


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


def examine(model: type[Model], data: object, prefix: str, *, unread: bool = False) -> tuple[Model | None, list[Fault]]:
    """Build a model, or list all that is wrong.

    Args:
        model: What to build.
        data: The plain mapping.
        prefix: The path of its key, for messages; may be empty.
        unread: Whether values that nothing reads may stand there.

    Returns:
        The model, None if there are faults; and the faults, one for each key, unknown keys first.
    """
    if not isinstance(data, Mapping):
        return None, [Fault(prefix, f"must be a mapping, got {short(data)}")]
    try:
        built = model.model_validate(data)
    except ValidationError as error:
        found = error.errors()
    else:
        idle = [] if unread else [Fault(_path(prefix, one.place), one.text) for one in find_unread(built)]
        return (None if idle else built), idle
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
        texts.setdefault(key, []).append(text)
        values[key] = value
    # Of a union's alternatives, the one that fits further in is meant.
    outer = {key for key in texts if any(other.startswith(f"{key}.") for other in texts)}
    return None, [Fault(key, join(texts[key]) + values[key]) for key in texts if key not in outer]


def _path(prefix: str, place: Sequence[str | int]) -> str:
    return ".".join([*filter(None, [prefix]), *map(str, place)])


def salvage(model: type[Model], data: Mapping[str, Any], stand_ins: Mapping[str, object] | None = None) -> Model | None:
    """Build a model of what is right in plain data, to look further for faults.

    A wrong key takes its default, and nothing beside it is lost, however deep it lies.

    Args:
        model: What to build.
        data: The plain mapping.
        stand_ins: Values of required keys, by path such as ``model.backbone``, for where they are wrong.

    Returns:
        The model; None if a required key without a stand-in is wrong.
    """
    sound = cast(dict[str, Any], _copied(data))
    for _ in range(_MOST_ROUNDS):
        built, faults = examine(model, sound, "")
        if built is not None:
            return built
        before = _copied(sound)
        for fault in faults:
            _mend(sound, fault.key.split("."), stand_ins or {})
        if sound == before:
            break
    return None


def doubtful_keys(model: type[StrictModel], faults: Sequence[Fault], prefix: str) -> frozenset[str]:
    """List the keys of a model, with all above them, that faults may be about: also those that a misspelt key means.

    What rests on such a key can't be judged before it is right.

    Args:
        model: The model.
        faults: What ``examine`` found.
        prefix: The prefix that ``examine`` was given.
    """
    keys = [fault.key.removeprefix(prefix).removeprefix(".") for fault in faults]
    found = set(keys)
    for key in keys:
        *above, last = key.split(".")
        found |= {".".join([*above, near]) for near in near_keys(last, known_keys(model, above))}
    return frozenset(found)


def _copied(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list | tuple) else value


def _mend(data: dict[str, Any], path: Sequence[str], stand_ins: Mapping[str, object]) -> None:
    """Give a wrong key its stand-in, or else delete it, or else the nearest key above it."""
    places: list[Any] = [data]
    for part in path[:-1]:
        inside = places[-1]
        try:
            places.append(inside[int(part) if isinstance(inside, list) else part])
        except (KeyError, IndexError, TypeError, ValueError):
            break
    for depth in range(len(places), 0, -1):
        inside, key, name = places[depth - 1], path[depth - 1], ".".join(path[:depth])
        if not isinstance(inside, dict):
            continue
        if name in stand_ins:
            inside[key] = _copied(stand_ins[name])
            return
        if wrong := [known for known in inside if str(known) == key]:
            del inside[wrong[0]]
            return


def _explain(fault: ErrorDetails, model: type[BaseModel], data: object, prefix: str) -> tuple[str, str, str]:
    """Give the key of a fault, what is wrong, and what was got instead."""
    location, missing = fault["loc"], fault["type"] == "missing"
    listed = missing and bool(fixed_list(model, fault))  # an item of a list
    way = _keys_on_the_way(data, location[:-1] if missing else location)
    if missing and not listed:
        way.append(location[-1])
    elif fault["input"] is None and fields_at(model, location) and way[-1:] != [location[-1]]:
        way.append(location[-1])  # a key that isn't there, and whose default is wrong beside others
    key = _path(prefix, way)
    if fault["type"] == "extra_forbidden":
        return key, f"unknown key; {suggest_keys(str(location[-1]), model, location[:-1])}", ""
    if missing and not listed:
        return key, MISSING, ""
    return key, describe(fault, model), show(fault, model)


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

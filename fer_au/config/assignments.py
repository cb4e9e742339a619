"""Options ``KEY=VALUE`` of the command line: their keys are dotted paths into settings, their values are YAML."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from fer_au.errors import ConfigError
from fer_au.yaml_files import parse_yaml


class MissingEntryError(Exception):
    """A path names a list entry that isn't there, such as a guidance term that an experiment doesn't have."""


def split_assignments(option: str, texts: Iterable[str], value: str = "VALUE") -> dict[str, str]:
    """Split the texts of an option into keys and values.

    Args:
        option: Name of the option, for messages.
        texts: What was given with it.
        value: Form of the values, for messages.

    Returns:
        Path of a key -> text of its value.

    Raises:
        ConfigError: A text has no ``=``, no key or no value, or a key is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, separator, words = (part.strip() for part in text.partition("="))
        if not separator or not all(key.split(".")):
            raise ConfigError(f"{option} {text}: expected KEY={value}")
        if not words:
            raise ConfigError(f"{option} {text}: expected KEY={value}, and the value is empty; write null for none")
        if key in found:
            advice = "list all its values in one option" if "," in value else "leave one of them out"
            raise ConfigError(f"{option} {text}: {key} is given twice; {advice}")
        found[key] = words
    return found


def parse_settings(option: str, texts: Iterable[str]) -> dict[str, Any]:
    """Read the texts of an option into nested settings: ``columns.image=File`` sets one key of ``columns``.

    Args:
        option: Name of the option, for messages.
        texts: What was given with it; later ones count.

    Raises:
        ConfigError: As for ``split_assignments``; or a value is no YAML, or nothing can lie at a path.

    Example:
        >>> parse_settings("--set", ["columns={image: File}", "columns.label=Mood", "seed=1"])
        {'columns': {'image': 'File', 'label': 'Mood'}, 'seed': 1}
    """
    settings: dict[str, Any] = {}
    for key, words in split_assignments(option, texts).items():
        value = parse_yaml(words, f"{option} {key}")
        try:
            settings = with_value(settings, key, value, f"{option} ", new_lists=False)
        except MissingEntryError as error:
            raise ConfigError(f"{option} {key}: there is no such list entry") from error
    return settings


def with_value(
    data: Mapping[str, Any], path: str, value: object, where: str = "", *, new_lists: bool = True
) -> dict[str, Any]:
    """Copy settings and set one key; missing mappings on the way are made.

    Args:
        data: Settings, such as an experiment.
        path: Path of the key: names, and positions in lists, joined by dots (``guidance.0.weight``).
        value: New value.
        where: Beginning of messages.
        new_lists: Whether a number means a position even where there is nothing yet; else it is a name there.

    Raises:
        MissingEntryError: A list on the way has no such entry.
        ConfigError: The path leads through something that holds no keys.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(data))
    place: Any = changed
    parts = path.split(".")
    for index, (part, following) in enumerate(zip(parts, [*parts[1:], ""], strict=True)):
        key: str | int = part
        above = ".".join(parts[:index])
        if isinstance(place, list):
            if not part.isdigit():
                raise ConfigError(f"{where}{path}: {part!r} is no position of a list; the first is {above}.0")
            key = int(part)
            if key >= len(place):
                raise MissingEntryError(path)
        elif not isinstance(place, dict):
            raise ConfigError(f"{where}{path}: nothing lies below {above!r}")
        elif new_lists and following.isdigit() and not place.get(part):
            raise MissingEntryError(path)
        if not following:
            place[key] = value
            break
        if isinstance(place, dict) and place.get(key) is None:
            place[key] = {}
        place = place[key]
    return changed

"""Grids: lists of values for keys of an experiment, and the names that tell their combinations apart."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fer_au.errors import ConfigError
from fer_au.yaml_files import dump_inline, parse_yaml

Grid = Mapping[str, Sequence[Any]]

#: Keys whose values are repeats of one experiment: the report gives their mean and deviation.
REPEATS = ("seed", "fold")

_LONGEST_SLUG = 24  # characters of a value in a name; longer values are numbered


class MissingEntryError(Exception):
    """A path names a list entry that an experiment doesn't have, such as a guidance term."""


def parse_grid(options: Iterable[str]) -> dict[str, list[Any]]:
    """Read ``KEY=V1,V2`` options; values are YAML.

    Raises:
        ConfigError: An option has no key or no value, a key is given twice, or the values are not YAML.
    """
    grid: dict[str, list[Any]] = {}
    for option in options:
        key, separator, text = option.partition("=")
        if not separator or not key or not text:
            raise ConfigError(f"--grid {option}: expected KEY=V1,V2,...")
        if key in grid:
            raise ConfigError(f"--grid {option}: {key} is given twice; list all its values in one option")
        values = parse_yaml(f"[{text}]", f"--grid {option}")
        if not isinstance(values, list):
            raise ConfigError(f"--grid {option}: expected KEY=V1,V2,...")
        grid[key] = values
    return grid


def suffixes(path: str, values: Sequence[object]) -> list[str]:
    """Make the ending of a name for each value of a key: ``-lr-0p001`` for ``train.optimizer.lr`` and 0.001.

    Raises:
        ConfigError: There is no value, or two values would share a name.
    """
    leaf = next((part for part in reversed(path.split(".")) if not part.isdigit()), path)
    slugs = [_slug(value) for value in values]
    slugs = [slug if 0 < len(slug) <= _LONGEST_SLUG else str(index) for index, slug in enumerate(slugs)]
    if not slugs or len(set(slugs)) < len(slugs):
        raise ConfigError(f"grid {path}: needs values whose names differ, got {list(values)}")
    return [f"-{_slug(leaf)}-{slug}" for slug in slugs]


def _slug(value: object) -> str:
    text = dump_inline(value).lower()
    if isinstance(value, int | float):
        text = text.replace(".", "p").replace("-", "m").replace("+", "")
    return re.sub(r"[^a-z0-9_]+", "-", text).strip("-_")


def with_value(data: Mapping[str, Any], path: str, value: object) -> dict[str, Any]:
    """Copy an experiment and set one key; missing mappings on the way are made.

    Args:
        data: Experiment.
        path: Path of the key: names, and positions in lists, joined by dots (``guidance.0.weight``).
        value: New value.

    Raises:
        MissingEntryError: A list on the way has no such entry.
        ConfigError: The path leads through something that holds no keys.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(data))
    place: Any = changed
    parts = path.split(".")
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        key: str | int = part
        if isinstance(place, list):
            if not part.isdigit():
                raise ConfigError(f"{path}: {part!r} is no position of a list")
            key = int(part)
            if key >= len(place):
                raise MissingEntryError(path)
        elif not isinstance(place, dict):
            raise ConfigError(f"{path}: nothing lies below {path[: path.rindex('.' + part)]!r}")
        elif following.isdigit() and not place.get(part):
            raise MissingEntryError(path)
        if not following:
            place[key] = value
            break
        if isinstance(place, dict) and place.get(key) is None:
            place[key] = {}
        place = place[key]
    return changed

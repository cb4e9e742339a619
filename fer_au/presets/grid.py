"""Grids: lists of values for keys of an experiment, and the names that tell their combinations apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fer_au.arguments import check_type, read_list, read_text
from fer_au.config.assignments import split_assignments
from fer_au.errors import ConfigError
from fer_au.yaml_files import dump_inline, parse_yaml

Grid = Mapping[str, Sequence[Any]]

OPTION = "--grid"

#: Keys whose values are repeats of one experiment: the report gives their mean and deviation.
REPEATS = ("seed", "fold")

_LONGEST_SLUG = 24  # characters of a value in a name; longer values are numbered


def parse_grid(options: Iterable[str]) -> dict[str, list[Any]]:
    """Read ``KEY=V1,V2`` options; values are YAML.

    Raises:
        ConfigError: An option has no key or no value, a key is given twice, or the values are not YAML.
    """
    grid: dict[str, list[Any]] = {}
    for key, text in split_assignments(OPTION, options, "V1,V2,...").items():
        if text.startswith(",") or text.endswith(","):
            raise ConfigError(f"{OPTION} {key}={text}: a value is empty; write null for none")
        try:
            values = parse_yaml(f"[{text}]", f"{OPTION} {key}={text}")
        except ConfigError as error:
            if re.search(r",\s*,", text):
                raise ConfigError(f"{OPTION} {key}={text}: a value is empty; write null for none") from error
            raise
        if not isinstance(values, list):
            raise ConfigError(f"{OPTION} {key}={text}: expected KEY=V1,V2,...")
        grid[key] = values
    return grid


def read_grid(name: str, grid: object) -> dict[str, list[Any]]:
    """Read a grid that is an argument; None is one without keys.

    Raises:
        ArgumentError: It is no mapping from paths of keys to lists of values.
    """
    given = {} if grid is None else check_type(name, grid, Mapping, "a mapping of keys to lists of values")
    keys = [read_text(f"{name}: key", key, "the path of an experiment's key") for key in given]
    return {key: read_list(f"{name}[{key!r}]", given[key], "a list of values") for key in keys}


def suffixes(path: str, values: Sequence[object], where: str = "") -> list[str]:
    """Make the ending of a name for each value of a key: ``-lr-0p001`` for ``train.optimizer.lr`` and 0.001.

    A single value tells nothing apart: its ending is empty.

    Args:
        path: Path of the key.
        values: Values of the key.
        where: Beginning of messages.

    Raises:
        ConfigError: There is no value, or two values would share a name.
    """
    leaf = next((part for part in reversed(path.split(".")) if not part.isdigit()), path)
    slugs = [_slug(value) for value in values]
    slugs = [slug if 0 < len(slug) <= _LONGEST_SLUG else str(index) for index, slug in enumerate(slugs)]
    if not slugs:
        raise ConfigError(f"{where}{path}: needs at least one value")
    for slug in slugs:
        if slugs.count(slug) > 1:
            twins = [dump_inline(value) for value, other in zip(values, slugs, strict=True) if other == slug]
            fault = f"{twins[0]} is given twice" if len({*twins}) == 1 else f"{' and '.join(twins)} would share a name"
            raise ConfigError(f"{where}{path}: {fault}; leave one of them out")
    return [f"-{_slug(leaf)}-{slug}" for slug in slugs] if len(slugs) > 1 else [""]


def _slug(value: object) -> str:
    text = dump_inline(value).lower()
    if isinstance(value, int | float):
        text = text.replace(".", "p").replace("-", "m").replace("+", "")
    return re.sub(r"[^a-z0-9_]+", "-", text).strip("-_")

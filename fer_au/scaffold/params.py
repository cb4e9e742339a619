"""The params.yaml of a new project: a preset, with the lab's own data sets in place of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_au.config.published import published_path
from fer_au.errors import ConfigError
from fer_au.presets.expansion import expand
from fer_au.presets.preset import Preset, load_preset
from fer_au.presets.published import published_text
from fer_au.presets.writing import params_text
from fer_au.scaffold.template import PARAMS_FILE

FIRST_LOOK = "first-look"
"""Preset of a project that is given data and no preset."""


def preset_datasets(name: str) -> dict[str, dict[str, Any]]:
    """Give the entries of a preset's data sets that are a user's to bring.

    Args:
        name: The preset, or the path of one.

    Raises:
        ConfigError: There is no such preset, or it is wrong.
    """
    preset = load_preset(name)
    return {key: dict(entry) for key, entry in preset.datasets.items() if key not in preset.render}


def preset_params(name: str, entries: Mapping[str, Mapping[str, Any]], command: str) -> dict[str, bytes]:
    """Write a preset as the files of a new project.

    Args:
        name: The preset, or the path of one.
        entries: Data set of the preset -> the entry of ``datasets`` that takes its place.
        command: The command line that asks for it, for the first line.

    Returns:
        Name -> content: ``params.yaml`` and, if something was published, its numbers.

    Raises:
        ConfigError: There is no such preset, or no such data set in it.
    """
    preset = load_preset(name)
    for key in entries:
        if key not in preset.datasets:
            raise ConfigError(f"preset {name} has no data set {key!r}; it has {', '.join(preset.datasets)}")
    filled = _fill(preset, entries)
    expansion = expand(name, filled)
    files = {PARAMS_FILE: params_text(name, filled, expansion, command).encode()}
    if filled.published:
        numbers = published_path(Path(PARAMS_FILE)).name
        files[numbers] = published_text(name, filled, expansion).encode()
    return files


def _fill(preset: Preset, entries: Mapping[str, Mapping[str, Any]]) -> Preset:
    """Lay entries over those of the same name; comments on what was to be edited there go with the old ones."""
    datasets = {key: dict(entries.get(key, entry)) for key, entry in preset.datasets.items()}
    done = tuple(f"datasets.{key}" for key in entries)
    comments = {
        path: text
        for path, text in preset.comments.items()
        if not any(f"{path}.".startswith(f"{key}.") for key in done)
    }
    return preset.model_copy(update={"datasets": datasets, "comments": comments})

"""Stages as ``dvc.yaml`` defines them: their description for ``python stages/NAME.py --help``, and what they take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fer_au.config.dataset_settings import OVERRIDABLE, STAMPED
from fer_au.config.reading import PARAMS
from fer_au.yaml_files import read_yaml

STAMP = "stages/stamp.json"
"""Decides when a stage runs; no stage reads it."""


def describe_stage(script: Path, parameters: Sequence[str], words: str) -> str:
    """Describe how a stage is called and which files it reads and writes, by the ``dvc.yaml`` beside ``stages/``.

    Args:
        script: Path ``stages/<stage>.py``.
        parameters: Names of the script's arguments.
        words: Docstring of the script.
    """
    summary = words.partition("; python")[0].strip().rstrip(".")
    lines = [f"usage: {' '.join(['python', f'stages/{script.name}', *map(str.upper, parameters)])}", "", f"{summary}."]
    pipeline = script.parents[1] / "dvc.yaml"
    stage = (read_yaml(pipeline).get("stages") or {}).get(script.stem) if pipeline.is_file() else None
    if not isinstance(stage, dict):
        return "\n".join([*lines, ""])
    entry = stage.get("do", stage)
    if section := _section(stage):
        lines.append(f"NAME is a key of {section} in params.yaml; <...> below are keys of its entry.")
    params = [text for file, key in _params(entry.get("params") or []) for text in _described(file, key)]
    for title, parts in (
        ("reads", [*params, *_paths(entry.get("deps") or [])]),
        ("writes", [*_paths(entry.get("outs") or []), *_paths(entry.get("metrics") or [])]),
    ):
        lines += ["", title, *(f"  {_filled(part)}" for part in parts)] if parts else []
    return "\n".join([*lines, ""])


def find_missing_inputs(pipeline: Path, stage: str, name: str) -> list[str]:
    """List the files that a stage reads for a data set or experiment, by ``dvc.yaml``, and that don't exist yet.

    Args:
        pipeline: The file ``dvc.yaml``; its folder is the project's.
        stage: Stage that has a ``foreach``.
        name: Key of the data set or experiment.

    Returns:
        Paths below the project; none where the name or the stage is unknown.

    Raises:
        ConfigError: ``dvc.yaml`` or ``params.yaml`` can't be read.
    """
    described = (read_yaml(pipeline).get("stages") or {}).get(stage) or {}
    item = (read_yaml(pipeline.with_name(str(PARAMS))).get(_section(described)) or {}).get(name)
    if not isinstance(item, dict):
        return []
    known = {"key": name, **{f"item.{key}": str(value) for key, value in item.items()}}
    paths = []
    for path in _paths(described["do"].get("deps") or []):
        filled = re.sub(r"\$\{([\w.]+)\}", lambda found: known.get(found[1], found[0]), path)
        if "${" not in filled and not (pipeline.parent / filled).exists():
            paths.append(filled)
    return paths


def read_taken_keys(pipeline: Path) -> dict[str, tuple[str, ...]]:
    """List the keys of ``params.yaml`` that each stage takes, as ``dvc.yaml`` writes them: ``datasets.${key}``.

    Args:
        pipeline: The file ``dvc.yaml``.

    Raises:
        ConfigError: It can't be read.
    """
    stages = read_yaml(pipeline).get("stages")
    found = {}
    for stage, described in stages.items() if isinstance(stages, dict) else ():
        entry = described.get("do", described)
        found[stage] = tuple(key for file, key in _params(entry.get("params") or []) if file == str(PARAMS))
    return found


def _section(stage: Mapping[str, object]) -> str:
    """Name the section of ``params.yaml`` for whose keys a stage runs; empty where it runs once."""
    found = re.fullmatch(r"\$\{(\w+)\}", str(stage.get("foreach", "")))
    return found[1] if found else ""


def _params(entries: Sequence[object]) -> Iterator[tuple[str, str]]:
    """List file and key of a stage's parameters, in any form that DVC accepts."""
    for entry in entries:
        files = entry if isinstance(entry, dict) else {str(PARAMS): [entry]}
        for file, keys in files.items():
            yield from ((file, str(key)) for key in keys or ["all of it"])


def _described(file: str, key: str) -> list[str]:
    """Name a parameter as people edit it; nothing for a hash."""
    if file != STAMP:
        return [f"{file}: {key}"]
    settings = re.fullmatch(rf"{STAMPED}\.(\w+)\.\$\{{key\}}", key)
    if settings is None:
        return []
    own = "datasets.${key}"
    if settings[1] in OVERRIDABLE:
        return [f"{PARAMS}: {settings[1]}", f"{PARAMS}: {own}.{settings[1]}"]
    return [f"{PARAMS}: {own}"]


def _paths(entries: Sequence[object]) -> list[str]:
    """List paths of dependencies or outputs; a path with options is a mapping of a single key."""
    return [str(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries]


def _filled(text: str) -> str:
    """Replace DVC's placeholders by words: ``${key}`` by NAME, ``${item.root}`` by <root>."""
    return re.sub(r"\$\{item\.(\w+)\}", r"<\1>", text.replace("${key}", "NAME"))

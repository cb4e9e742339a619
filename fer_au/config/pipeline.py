"""Describe a stage as ``dvc.yaml`` defines it, for ``python stages/NAME.py --help``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from fer_au.config.reading import PARAMS
from fer_au.yaml_files import read_yaml

_STAMP = "stages/stamp.json"  # decides when a stage runs; no stage reads it


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
    if section := re.fullmatch(r"\$\{(\w+)\}", str(stage.get("foreach", ""))):
        lines.append(f"NAME is a key of {section[1]} in params.yaml; <...> below are keys of its entry.")
    params = [f"{file}: {key}" for file, key in _params(entry.get("params") or []) if file != _STAMP]
    for title, parts in (
        ("reads", [*params, *_paths(entry.get("deps") or [])]),
        ("writes", [*_paths(entry.get("outs") or []), *_paths(entry.get("metrics") or [])]),
    ):
        lines += ["", title, *(f"  {_filled(part)}" for part in parts)] if parts else []
    return "\n".join([*lines, ""])


def _params(entries: Sequence[object]) -> Iterator[tuple[str, str]]:
    """List file and key of a stage's parameters, in any form that DVC accepts."""
    for entry in entries:
        files = entry if isinstance(entry, dict) else {str(PARAMS): [entry]}
        for file, keys in files.items():
            yield from ((file, str(key)) for key in keys or ["all of it"])


def _paths(entries: Sequence[object]) -> list[str]:
    """List paths of dependencies or outputs; a path with options is a mapping of a single key."""
    return [str(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries]


def _filled(text: str) -> str:
    """Replace DVC's placeholders by words: ``${key}`` by NAME, ``${item.root}`` by <root>."""
    return re.sub(r"\$\{item\.(\w+)\}", r"<\1>", text.replace("${key}", "NAME"))

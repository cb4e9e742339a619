"""Say which weights and data a preset needs, and the next steps with a params file that was written from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fer_au.presets.expansion import expand
from fer_au.presets.preset import Preset
from fer_au.presets.published import published_path
from fer_au.yaml_files import read_yaml

_PARAMS = "params.yaml"  # the name that DVC reads


def preset_needs(name: str, preset: Preset) -> list[str]:
    """Say which weights and data a preset needs that neither the project nor its packages contain.

    Args:
        name: Name of the preset, used in messages.
        preset: Preset.

    Returns:
        One text for weights and one for data; empty if only the user's own pictures are needed.
    """
    backbones, files = {}, {}
    for entry in expand(name, preset).experiments.values():
        model = entry["model"]
        if model.get("weights") == "imagenet":
            backbones[str(model["backbone"])] = True
        elif model.get("weights", "none") != "none":
            files[f"{Path(model['weights']).name}, a file of yours"] = True
    weights = [f"ImageNet's of {', '.join(backbones)}"] * bool(backbones) + list(files)
    data = [text for dataset, text in preset.access.items() if dataset in preset.datasets]
    return [f"{title}: {'; '.join(texts)}" for title, texts in (("weights", weights), ("data", data)) if texts]


def next_steps(params: Path) -> list[str]:
    """List the next steps with a params file that was written from a preset, one line each.

    Args:
        params: Path of the file; paths in it are relative to its folder.
    """
    steps = [
        f"now set {key} in line {line} of {params}: there is no {value}" for key, line, value in _missing_paths(params)
    ]
    if params.name == _PARAMS:
        return [*steps, "then run `dvc repro`"]
    copies = {params: params.with_name(_PARAMS), published_path(params): published_path(params.with_name(_PARAMS))}
    texts = [f"{old} to {new}" for old, new in copies.items() if old.is_file()]
    return [*steps, f"then copy {' and '.join(texts)}, and run `dvc repro`"]


def _missing_paths(params: Path) -> Iterator[tuple[str, int, str]]:
    """List the paths that don't exist: words for the key, the line counted from 1, and the path."""
    content = read_yaml(params)
    document = YAML(typ="safe").compose(params.read_text(encoding="utf-8"))
    places: list[tuple[str, tuple[str, ...]]] = [
        ("the root", ("datasets", name, "root")) for name in content["datasets"]
    ]
    places += [("the weights", ("experiments", name, "model", "weights")) for name in content["experiments"]]
    for words, keys in places:
        value, node = _at(content, document, keys)
        if (
            isinstance(value, str)
            and value not in ("none", "imagenet")
            and not (params.parent / Path(value).expanduser()).exists()
        ):
            yield words, node.start_mark.line + 1, value


def _at(value: Any, node: Any, keys: tuple[str, ...]) -> tuple[Any, Any]:  # noqa: ANN401 (plain data, YAML's nodes)
    """Find the value and the node below keys; None if there is none."""
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return None, None
        value, node = value[key], next(inner for name, inner in node.value if name.value == key)
    return value, node

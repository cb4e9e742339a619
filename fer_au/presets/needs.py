"""Say which weights and data a preset needs, and the next steps with a params file that was written from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fer_au.config.model import NAMED_WEIGHTS
from fer_au.config.published import published_path
from fer_au.gate import read_text
from fer_au.presets.expansion import expand
from fer_au.presets.preset import Preset
from fer_au.yaml_files import read_yaml

_PARAMS = "params.yaml"  # the names that DVC reads
_PIPELINE = "dvc.yaml"
_WHOSE = {"imagenet": "ImageNet's", "faces": "face recognition's"}  # of the choices of `model.weights`


def preset_needs(name: str, preset: Preset) -> list[str]:
    """Say which weights and data a preset needs that neither the project nor its packages contain, and how much time.

    Args:
        name: Name of the preset, used in messages.
        preset: Preset.

    Returns:
        One text for weights, data and time each, where there is something to say: the user's own pictures are needed
        anyway.
    """
    experiments = expand(name, preset).experiments.values()
    weights = [f"{whose} of {', '.join(backbones)}" for whose, backbones in _named_weights(experiments)]
    given = (str(entry["model"].get("weights", "none")) for entry in experiments)
    weights += dict.fromkeys(f"{Path(path).name}, a file of yours" for path in given if path not in NAMED_WEIGHTS)
    data = [text for dataset, text in preset.access.items() if dataset in preset.datasets]
    needs = {"weights": weights, "data": data, "trainings": [f"{preset.time} on two cores"] * bool(preset.time)}
    return [f"{title}: {'; '.join(texts)}" for title, texts in needs.items() if texts]


def next_steps(params: Path) -> list[str]:
    """List the next steps with a params file that was written from a preset, in their order, one line each.

    Args:
        params: Path of the file; paths in it are relative to its folder.
    """
    missing = _missing_paths(params)
    steps = [f"set {key} in line {line} of {params}: there is no {value}" for key, line, value in missing]
    for whose, backbones in _named_weights(read_yaml(params)["experiments"].values()):
        places = "a hub, a package or a file" if whose == _WHOSE["imagenet"] else "a package or a file"
        where = f"from {places}: docs/presets.md#pretrained-weights"
        steps.append(f"see that {whose} weights of {', '.join(backbones)} can be had, {where}")
    folder = params.parent if (params.parent / _PIPELINE).is_file() else None
    target = (folder or Path("PROJECT")) / _PARAMS
    if folder is None or params.name != _PARAMS:
        copies = {params: target, published_path(params): published_path(target)}
        texts = [f"{old} to {new}" for old, new in copies.items() if old.is_file()]
        notes = ["PROJECT is the folder of dvc.yaml"] * (folder is None)
        notes += [f"it replaces the {_PARAMS} there: keep a copy"] * target.is_file()
        note = f" ({'; '.join(notes)})" if notes else ""
        steps.append(f"copy {' and '.join(texts)}{note}")
    at = f" in {target.parent}" if folder is None or folder.resolve() != Path.cwd() else ""
    steps.append(f"run `dvc repro`{at}")
    return [f"{number}. {step}" for number, step in enumerate(steps, 1)]


def _named_weights(experiments: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """List whose weights experiments start from, and the backbones that start from them."""
    models = [entry["model"] for entry in experiments]
    found = []
    for choice, whose in _WHOSE.items():
        chosen = (str(model["backbone"]) for model in models if model.get("weights") == choice)
        if backbones := list(dict.fromkeys(chosen)):
            found.append((whose, backbones))
    return found


def _missing_paths(params: Path) -> Iterator[tuple[str, int, str]]:
    """List the paths that don't exist: words for the key, the line counted from 1, and the path."""
    content = read_yaml(params)
    document = YAML(typ="safe").compose(read_text(params))
    places: list[tuple[str, tuple[str, ...]]] = [
        ("the root", ("datasets", name, "root"))
        for name in content["datasets"]
        if name not in content.get("render", {})  # DVC renders these faces
    ]
    places += [("the weights", ("experiments", name, "model", "weights")) for name in content["experiments"]]
    for words, keys in places:
        value, node = _at(content, document, keys)
        if (
            isinstance(value, str)
            and value not in NAMED_WEIGHTS
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

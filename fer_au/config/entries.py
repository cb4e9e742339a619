"""Entries of ``experiments`` and ``cross``: built one by one, with what they name; all faults of an entry at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from fer_au.config.experiments import CrossConfig, ExperimentConfig, TrainConfig
from fer_au.config.reading import PARAMS, Fault, entry, examine, load_section, read_params, refuse
from fer_au.registry import near_names


def load_experiment(name: str, path: Path = PARAMS) -> tuple[ExperimentConfig, TrainConfig]:
    """Load one experiment with its own training settings.

    Raises:
        ConfigError: A bad key or value, or a data set or base that params.yaml doesn't have.
    """
    params = read_params(path)
    entry("experiments", name, path)
    load_section("train", TrainConfig, path)
    experiment, train, faults = examine_experiment(params, name)
    refuse(path, [*faults, *find_reference_faults(params, name)])
    return cast(ExperimentConfig, experiment), cast(TrainConfig, train)


def examine_experiment(
    params: Mapping[str, Any], name: str
) -> tuple[ExperimentConfig | None, TrainConfig | None, list[Fault]]:
    """Build an experiment and its own training settings, or list all that is wrong with its entry.

    Args:
        params: The whole of ``params.yaml``, its top level checked.
        name: Name of the experiment.

    Returns:
        The experiment and its settings, None where they have faults; and the faults, without those of the section
        ``train`` that all experiments share.
    """
    key = f"experiments.{name}"
    data = params["experiments"][name]
    experiment, faults = examine(ExperimentConfig, data, key)
    own = data.get("train") if isinstance(data, Mapping) else None
    if not isinstance(own, Mapping | None):
        return experiment, None, faults
    shared = params.get("train") or {}
    train, found = examine(TrainConfig, merge(shared, own or {}), f"{key}.train")
    _, known = examine(TrainConfig, shared, f"{key}.train")
    return experiment, train, [*faults, *(fault for fault in found if fault not in known)]


def find_reference_faults(params: Mapping[str, Any], name: str) -> list[Fault]:
    """List what an experiment names and ``params.yaml`` doesn't have, or can't be started from; other faults aside.

    Args:
        params: The whole of ``params.yaml``, its top level checked.
        name: Name of the experiment.
    """
    key, faults = f"experiments.{name}", []
    own, experiments = params["experiments"][name], params["experiments"]
    if not isinstance(own, Mapping):
        return []
    if isinstance(dataset := own.get("dataset"), str) and dataset not in (datasets := params.get("datasets") or {}):
        faults.append(Fault(f"{key}.dataset", f"no data set {dataset!r}; {near_names(dataset, datasets)}"))
    base = own.get("base", "none")
    if not isinstance(base, str) or base == "none":
        return faults
    if base not in experiments:
        return [*faults, Fault(f"{key}.base", f"no experiment {base!r}; {near_names(base, [*experiments, 'none'])}")]
    chain = [name]
    while isinstance(base, str) and base in experiments and base not in chain:
        chain.append(base)
        base = _field(experiments[base], "base")
    if base == name:
        circle = " -> ".join([*chain, name])
        return [*faults, Fault(f"{key}.base", f"goes round in a circle ({circle}); one of them needs `base: none`")]
    return faults + _misfits(f"{key}.base", own, str(own["base"]), experiments[str(own["base"])])


def _misfits(key: str, own: Mapping[str, Any], base: str, other: object) -> list[Fault]:
    """What keeps a model from starting with the weights of another one."""
    ours, theirs = own.get("model"), _field(other, "model")
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping):
        return []
    return [
        Fault(key, f"experiment {base!r} has {part} {theirs.get(part, usual)!r}, this one {ours.get(part, usual)!r}")
        for part, usual in (("backbone", None), ("in_chans", 3))
        if ours.get(part, usual) != theirs.get(part, usual)
    ]


def _field(data: object, key: str) -> object:
    """A key of an entry as it stands, whatever that is."""
    return data.get(key) if isinstance(data, Mapping) else None


def examine_cross(params: Mapping[str, Any], name: str) -> tuple[CrossConfig | None, list[Fault]]:
    """Build an entry of ``cross``, or list all that is wrong with it and with what it names.

    Args:
        params: The whole of ``params.yaml``, its top level checked.
        name: Name of the entry.
    """
    key = f"cross.{name}"
    cross, faults = examine(CrossConfig, params["cross"][name], key)
    if cross is None:
        return None, faults
    experiments, datasets = params.get("experiments") or {}, params.get("datasets") or {}
    if cross.experiment not in experiments:
        near = near_names(cross.experiment, experiments)
        faults.append(Fault(f"{key}.experiment", f"no experiment {cross.experiment!r}; {near}"))
    elif (
        (entry_ := experiments[cross.experiment]) and isinstance(entry_, Mapping) and entry_.get("target") == "subject"
    ):
        text = f"{cross.experiment!r} tells apart the persons of its own data set (target: subject)"
        faults.append(Fault(f"{key}.experiment", f"{text}; name one that tells expressions apart"))
    if cross.dataset not in datasets:
        faults.append(Fault(f"{key}.dataset", f"no data set {cross.dataset!r}; {near_names(cross.dataset, datasets)}"))
    return cross, faults


def load_cross(name: str, path: Path = PARAMS) -> CrossConfig:
    """Load one entry of ``cross``.

    Raises:
        ConfigError: A bad key or value, or an experiment or data set that params.yaml doesn't have.
    """
    params = read_params(path)
    entry("cross", name, path)
    cross, faults = examine_cross(params, name)
    refuse(path, faults)
    return cast(CrossConfig, cross)


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Overlay nested mappings key by key; anything else is replaced."""
    merged = dict(base)
    for key, value in override.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged

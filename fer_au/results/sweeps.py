"""Find sweeps among experiments: those that differ in one setting alone, with three or more values of it.

Settings are compared as they count: defaults and the shared section ``train`` included. Runs that differ in seed or
fold are repeats of one value. A classifier without guidance stands for weight 0 in a sweep of a guidance's weight.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from fer_au.config.entries import build_experiment
from fer_au.evaluation.metrics_file import read_interval
from fer_au.results.experiment import ExperimentResult
from fer_au.results.groups import group_spreads

FEWEST = 3
"""Values of a setting that make a sweep: two are a comparison."""

METRICS = ("accuracy", "balanced_accuracy", "att_cos", "att_ccos")
"""Metrics that a sweep is drawn of, as far as its experiments have them."""

_REPEATS = ("seed", "fold", "group")  # what repeats of one training differ in
_APART = ("train", "base")  # compared as what they come to
_PLAIN = "guidance"

Settings = dict[str, Hashable]


@dataclass(frozen=True)
class SweepScore:
    """A metric at one value of a sweep.

    Attributes:
        value: Its value; of several runs, their mean.
        low: Lower end: of a single run, of the 95 % interval over images; of several, one standard deviation below.
        high: Upper end. NaN where an end is unknown.
    """

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class SweepPoint:
    """One value of a sweep.

    Attributes:
        text: The value in words.
        experiments: Names of its runs.
        scores: Metric -> its score; only metrics that a run has.
    """

    text: str
    experiments: tuple[str, ...]
    scores: Mapping[str, SweepScore]


@dataclass(frozen=True)
class Sweep:
    """Experiments that differ in one setting.

    Attributes:
        dataset: Data set of all of them.
        key: Dotted key of the setting, below ``experiments.NAME``.
        name: What tells this sweep from others of the same key: what names of its groups or experiments have in common.
        numeric: Whether the values are numbers, which are sorted; others stay in the order of ``params.yaml``.
        points: The values.
    """

    dataset: str
    key: str
    name: str
    numeric: bool
    points: tuple[SweepPoint, ...]


def find_sweeps(params: Mapping[str, Any], params_path: Path, results: Sequence[ExperimentResult]) -> list[Sweep]:
    """Find all sweeps, in the order of their first experiments; the same experiments always give the same.

    Args:
        params: Content of ``params.yaml``.
        params_path: Its path, for messages.
        results: Evaluated experiments, in the order of ``params.yaml``.
    """
    settings = {one.name: _settings(params, params_path, one.name) for one in results}
    by_name = {one.name: one for one in results}
    families: dict[tuple[str, tuple[tuple[str, Hashable], ...]], list[str]] = {}
    for name, own in settings.items():
        for key in own:
            if key != "dataset":  # other test images: their scores can't be compared
                families.setdefault((key, _others(own, key)), []).append(name)
    found = []
    for (key, rest), names in families.items():
        members = {name: settings[name][key] for name in names}
        if key.startswith(f"{_PLAIN}.0.") and key.endswith(".weight"):
            members |= _plain(settings, dict(rest))
        sweep = _sweep(key, members, by_name)
        if sweep is not None:
            found.append(sweep)
    return found


def _settings(params: Mapping[str, Any], params_path: Path, name: str) -> Settings:
    """List the settings that decide an experiment, but for its repeats: dotted key -> value."""
    experiment, train = build_experiment(params, name, params_path)
    own = experiment.model_dump(mode="json")
    kept = {key: value for key, value in own.items() if key not in (*_REPEATS, *_APART)}
    base = experiment.base
    known = params.get("experiments") or {}
    start = tuple(sorted(_settings(params, params_path, base).items(), key=str)) if base in known else base
    return {**dict(_flat(kept, "")), "base": start, **dict(_flat(train.model_dump(mode="json"), "train"))}


def _flat(value: object, path: str) -> Iterator[tuple[str, Hashable]]:
    """Go down mappings and lists of mappings; any other list is one value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{path}.{place}")
    else:
        yield path, tuple(map(str, value)) if isinstance(value, list) else _plain_value(value)


def _plain_value(value: object) -> Hashable:
    return value if isinstance(value, Hashable) else json.dumps(value, sort_keys=True)


def _others(settings: Settings, key: str) -> tuple[tuple[str, Hashable], ...]:
    return tuple((name, value) for name, value in settings.items() if name != key)


def _plain(settings: Mapping[str, Settings], rest: Mapping[str, Hashable]) -> dict[str, Hashable]:
    """Find the unguided experiments that are weight 0 of a guidance of one term."""
    if any(key.startswith(f"{_PLAIN}.1.") for key in rest):
        return {}
    wanted = {key: value for key, value in rest.items() if not key.startswith(f"{_PLAIN}.")} | {_PLAIN: ()}
    return {name: 0.0 for name, own in settings.items() if own == wanted}


def _sweep(key: str, members: Mapping[str, Hashable], results: Mapping[str, ExperimentResult]) -> Sweep | None:
    """Make the sweep of experiments that differ in one key; None if they have too few values of it."""
    runs: dict[Hashable, list[str]] = {}
    for name in results:  # the order of params.yaml, also of what was found last
        if name in members:
            runs.setdefault(members[name], []).append(name)
    if len(runs) < FEWEST or key == "base":
        return None
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in runs)
    values = sorted(runs, key=lambda value: float(str(value))) if numeric else list(runs)
    points = tuple(_point(value, [results[name] for name in runs[value]]) for value in values)
    guided = [name for name in members if not _is_zero(members[name], key)]
    first = results[guided[0]]
    called = [results[name].config.group or name for name in guided]
    return Sweep(first.config.dataset, key, _common(called), numeric, points)


def _is_zero(value: Hashable, key: str) -> bool:
    return key.endswith(".weight") and value == 0


def _point(value: Hashable, members: Sequence[ExperimentResult]) -> SweepPoint:
    keys = [key for key in METRICS if any(math.isfinite(one.number(key)) for one in members)]
    scores = {}
    for key, spread in group_spreads(members, keys).items():
        if spread.n > 1:
            ends = spread.mean - spread.deviation, spread.mean + spread.deviation
        else:
            own = next(one for one in members if math.isfinite(one.number(key)))
            ends = read_interval(own.metrics, key)
        scores[key] = SweepScore(spread.mean, *ends)
    return SweepPoint(value_text(value), tuple(one.name for one in members), scores)


def value_text(value: Hashable) -> str:
    """Write a value of a setting.

    Example:
        >>> [value_text(one) for one in (0.5, ("1", "last"), None, 4.0)]
        ['0.5', '1, last', 'none', '4']
    """
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _common(names: Sequence[str]) -> str:
    """Name experiments by what their names begin with, or else end with, without a number or a word that is cut."""
    start = _shared(names)
    if start in names:
        return start
    if cut := start.rstrip("0123456789").rstrip("-_"):
        return cut
    end = _shared([name[::-1] for name in names])[::-1]
    return end.lstrip("0123456789").lstrip("-_") or names[0]


def _shared(names: Sequence[str]) -> str:
    letters = takewhile(lambda own: len(set(own)) == 1, zip(*names, strict=False))
    return "".join(own[0] for own in letters)

"""Expand a preset's short form to complete experiments: variants, sweeps, the user's grid, repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fer_au.arguments import check_type, read_text
from fer_au.config.assignments import MissingEntryError, with_value
from fer_au.config.data import DemoConfig, HeatmapsConfig
from fer_au.config.dataset_settings import OVERRIDABLE
from fer_au.config.entries import (
    examine_cross,
    examine_experiment,
    examine_train,
    find_reference_faults,
    merge,
    merge_train,
)
from fer_au.config.experiments import ALL_FOLDS, EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.config.reading import (
    NAMED,
    SECTIONS,
    Fault,
    StrictModel,
    examine,
    find_name_faults,
    refuse_all,
    validate,
)
from fer_au.datasets.base import examine_dataset
from fer_au.errors import ConfigError
from fer_au.presets.folds import means_all, name_folds
from fer_au.presets.grid import OPTION, REPEATS, Grid, read_grid, suffixes
from fer_au.presets.preset import Preset
from fer_au.registry import near_names

Entry = dict[str, Any]

# Keys of every written experiment, in this order, before its other keys; DVC's stages read `dataset` and `base`.
_KEYS: Entry = {"dataset": None, "group": None, "seed": 0, "fold": None, "base": "none", "model": None, "guidance": []}
_OPTIONS = {"head": "head_options", "backbone": "backbone_options"}
_SECTIONS: dict[str, type[StrictModel]] = {
    "heatmaps": HeatmapsConfig,
    "evaluate": EvaluateConfig,
}


@dataclass
class Expansion:
    """Complete experiments of a preset.

    Attributes:
        experiments: Name -> entry of section ``experiments``.
        cross: Name -> entry of section ``cross``.
        places: Name in the preset -> name of the experiment, or group of repeats, that has the preset's own settings;
            None if the grid left none with these settings.
    """

    experiments: dict[str, Entry]
    cross: dict[str, dict[str, str]] = field(default_factory=dict)
    places: dict[str, str | None] = field(default_factory=dict)


def expand(name: str, preset: Preset, grid: Grid | None = None) -> Expansion:
    """Write out all experiments of a preset and check them.

    Args:
        name: Name of the preset, used in messages.
        preset: Preset.
        grid: Path of an experiment's key, such as ``train.optimizer.lr`` or ``guidance.0.weight`` -> values. Each
            experiment is run with each combination. An experiment without the list entry that a path names stays as it
            is, unless its ``base`` is multiplied. ``seed`` and ``fold`` make repeats, tied by ``group``; the fold
            ``all`` stands for all folds of the data set.

    Raises:
        ConfigError: A key is unknown or a value bad, in the preset or the grid; the message names it in one line.
    """
    name = read_text("name", name, "the name of a preset")
    preset = check_type("preset", preset, Preset, "a preset as fer_au.presets.load_preset gives it")
    grid = read_grid("grid", grid)
    expansion = Expansion(_variants(name, preset), dict(preset.cross))
    for target, sweep in preset.sweeps.items():
        _check_name(f"{name}: sweeps", target, expansion.experiments)
        targets = {target}
        for path, values in sweep.items():
            children = _multiply(expansion, path, values, targets, f"{name}: sweeps.{target}.")
            targets = {child for old in targets for child in children[old]}
    expansion.places = {key: key for key in expansion.experiments}
    factors = {**preset.repeats, **grid}
    if factors:  # what is wrong with the preset itself is said of its own experiments, and all of it
        complete = {key: _complete(entry) for key, entry in expansion.experiments.items()}
        _check(name, preset, replace(expansion, experiments=complete))
    for path in sorted(factors, key=REPEATS.__contains__):  # repeats last: a group is one place of the grid
        where = f"{OPTION} " if path in grid else f"{name}: repeats."
        values = _values_of(path, factors[path], expansion, preset, where)
        before = {key: _resolved(name, key, entry, preset) for key, entry in expansion.experiments.items()}
        children = _multiply(expansion, path, values, set(expansion.experiments), where)
        _check_values(path, expansion.experiments, preset, where)
        if path not in REPEATS:
            after = {key: _resolved(name, key, entry, preset) for key, entry in expansion.experiments.items()}
            for place, old in expansion.places.items():
                same = [child for child in children.get(old or "", []) if old and after[child] == before[old]]
                expansion.places[place] = same[0] if same else None
    expansion.experiments = {key: _complete(entry) for key, entry in expansion.experiments.items()}
    _check(name, preset, expansion)
    return expansion


def _values_of(path: str, values: object, expansion: Expansion, preset: Preset, where: str) -> list[Any]:
    """List the values that a key takes; ``all`` stands for all folds.

    Raises:
        ConfigError: It stands at another key, or the data sets don't tell their folds.
    """
    if means_all(path, values):
        return list(name_folds(expansion.experiments.values(), preset.datasets, where))
    if not isinstance(values, list):
        raise ConfigError(f"{where}{path}: {values!r} is no list of values; only fold may be {ALL_FOLDS!r}")
    return values


def _variants(name: str, preset: Preset) -> dict[str, Entry]:
    """Make all experiments in all variants, before any key takes several values."""
    experiments = {key: _entry(name, preset, key) for key in preset.experiments}
    if preset.variants:
        experiments = {
            f"{key}-{variant}": _overlay(entry, changes)
            for key, entry in experiments.items()
            for variant, changes in preset.variants.items()
        }
    for target, changes in preset.adjust.items():
        _check_name(f"{name}: adjust", target, experiments)
        for path, value in changes.items():
            try:
                experiments[target] = with_value(experiments[target], path, value, f"{name}: adjust.{target}.")
            except MissingEntryError as error:
                raise ConfigError(f"{name}: adjust.{target}.{path}: there is no such list entry") from error
    return experiments


def _entry(name: str, preset: Preset, key: str) -> Entry:
    """Lay an experiment's own keys over the defaults, or over those of the experiment that it is ``like``."""
    own = dict(preset.experiments[key])
    model = own.pop("like", None)
    if model is None:
        return _overlay(preset.defaults, own)
    _check_name(f"{name}: experiments.{key}.like", model, [other for other in preset.experiments if other != key])
    return _overlay(_overlay(preset.defaults, preset.experiments[model]), own)


def _overlay(entry: Entry, changes: Entry) -> Entry:
    """Overlay an entry key by key; another head or backbone starts without the options of the one that it replaces."""
    model, own = entry.get("model"), changes.get("model")
    if isinstance(model, Mapping) and isinstance(own, Mapping):
        others = [part for part in _OPTIONS.keys() & own.keys() & model.keys() if own[part] != model[part]]
        left = {_OPTIONS[part] for part in others}
        entry = {**entry, "model": {key: value for key, value in model.items() if key not in left}}
    return merge(entry, changes)


def _multiply(
    expansion: Expansion, path: str, values: Sequence[Any], targets: set[str], where: str
) -> dict[str, list[str]]:
    """Replace each target by one experiment for each value of a key; ``where`` begins messages.

    Returns:
        Old name -> new names.
    """
    endings = suffixes(path, values, where)
    varied = _varied(expansion.experiments, path, values, targets, where)
    children: dict[str, list[str]] = {}
    multiplied: dict[str, Entry] = {}
    for old, entry in expansion.experiments.items():
        made = {old: entry}
        if old in varied:
            made = {old + ending: one for ending, one in zip(endings, varied[old], strict=True)}
        if path in REPEATS and len(values) > 1:
            for one in made.values():
                one.setdefault("group", old)
        children[old] = list(made)
        multiplied.update(made)
    if len(multiplied) < sum(map(len, children.values())):
        raise ConfigError(f"{where}{path}: a new name is another experiment's already")
    for old, names in children.items():
        for new in names:
            base = multiplied[new].get("base", "none") + new.removeprefix(old)
            if base in multiplied:
                multiplied[new]["base"] = base
    expansion.experiments = multiplied
    expansion.cross = {
        key + new.removeprefix(one["experiment"]): {**one, "experiment": new}
        for key, one in expansion.cross.items()
        for new in children.get(one["experiment"], [one["experiment"]])
    }
    return children


def _varied(
    experiments: Mapping[str, Entry], path: str, values: Sequence[Any], targets: set[str], where: str
) -> dict[str, list[Entry]]:
    """Make a copy of each target for each value of a key, and as many of the experiments that are based on a target.

    Returns:
        Old name -> entries, one for each value.

    Raises:
        ConfigError: No target has the list entry that the path names.
    """
    varied: dict[str, list[Entry]] = {}
    for name in targets:
        try:
            varied[name] = [with_value(experiments[name], path, value, where) for value in values]
        except MissingEntryError:
            continue  # an experiment without guidance, for example, has no weight of guidance to vary
    if not varied:
        raise ConfigError(f"{where}{path}: no experiment has such a list entry")
    following = list(varied)
    for base in following:
        for name, entry in experiments.items():
            if entry.get("base") == base and name not in varied:
                varied[name] = [dict(entry) for _ in values]
                following.append(name)
    return varied


def _check_values(path: str, experiments: Mapping[str, Entry], preset: Preset, where: str) -> None:
    """Check the key that was given several values, and these values, in all experiments that have them.

    Raises:
        ConfigError: The key is unknown or a value bad; one line, which names the key and not the experiments.
    """
    section = path.partition(".")[0]
    if section in SECTIONS and section not in ExperimentConfig.model_fields:
        text = f"all experiments share section {section}; edit it in the written file"
        raise ConfigError(f"{where}{path}: no key of an experiment; {text}")
    for entry in experiments.values():
        _, faults = examine(ExperimentConfig, entry, "")
        own = entry.get("train")
        if isinstance(own, Mapping):
            faults += examine(TrainConfig, merge_train(preset.train, own), "train")[1]
        for fault in faults:
            if f"{fault.key}.".startswith(f"{path}.") or f"{path}.".startswith(f"{fault.key}."):
                raise ConfigError(f"{where}{path}: {fault.text if fault.key == path else fault}")


def _resolved(name: str, key: str, entry: Entry, preset: Preset) -> tuple[ExperimentConfig, TrainConfig]:
    """Validate an experiment and return all of its settings, without names of other experiments and of groups."""
    config = validate(ExperimentConfig, entry, f"experiments.{key}", f"preset {name}")
    train = merge_train(preset.train, config.train if isinstance(config.train, Mapping) else {})
    settings = validate(TrainConfig, train, f"experiments.{key}.train", f"preset {name}")
    return config.model_copy(update={"base": None, "group": None, "train": {}}), settings


def _complete(entry: Mapping[str, Any]) -> Entry:
    ordered = {key: entry.get(key, default) for key, default in _KEYS.items()}
    return {key: value for key, value in {**ordered, **entry}.items() if value is not None}


def _check(name: str, preset: Preset, expansion: Expansion) -> None:
    """Check that all sections of ``params.yaml`` would be valid, and that all names in them exist.

    Raises:
        ConfigProblemsError: They aren't; one line for each fault.
    """
    names = {"datasets": preset.datasets, "render": preset.render, **vars(expansion)}
    faults = [fault for section in NAMED for fault in find_name_faults(section, names[section])]
    for section, model in _SECTIONS.items():
        faults += examine(model, getattr(preset, section), section)[1]
    faults += [fault for part in OVERRIDABLE.values() for fault in part.examine_shared(vars(preset))]
    for key, settings in preset.datasets.items():
        faults += examine_dataset(key, settings)[1]
        faults += [fault for part in OVERRIDABLE.values() for fault in part.examine(vars(preset), key)[1]]
    for key, settings in preset.render.items():
        faults += _name_faults(f"render.{key}", key, preset.datasets)
        faults += examine(DemoConfig, settings, f"render.{key}")[1]
    params = {"datasets": preset.datasets, "train": preset.train, **vars(expansion)}
    faults += examine_train(params)
    for key in expansion.experiments:
        faults += [*examine_experiment(params, key)[2], *find_reference_faults(params, key)]
    for key in expansion.cross:
        faults += examine_cross(params, key)[1]
    for row in preset.published:
        faults += _name_faults(f"published.{row.row}", row.experiment, [None, *expansion.places])
    refuse_all(f"preset {name}", faults)


def _name_faults(key: str, name: object, known: Mapping[str, object] | Sequence[object]) -> list[Fault]:
    near = near_names(str(name), [str(one) for one in known])
    return [] if name in known else [Fault(key, f"no {name!r}; {near}")]


def _check_name(where: str, name: object, known: Mapping[str, object] | Sequence[object]) -> None:
    for fault in _name_faults(where, name, known):
        raise ConfigError(str(fault))

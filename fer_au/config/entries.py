"""Entries of ``experiments`` and ``cross``: built one by one, with what they name; all faults of an entry at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from fer_au.config.experiments import CrossConfig, ExperimentConfig, TrainConfig
from fer_au.config.external import EXTERNAL, UNTRAINED, has_gradients
from fer_au.config.reading import PARAMS, Fault, entry, examine, read_params, refuse
from fer_au.config.unread import drop_inherited, find_unread, is_written, no_effect
from fer_au.registry import near_names


def load_experiment(name: str, path: Path = PARAMS) -> tuple[ExperimentConfig, TrainConfig]:
    """Load one experiment with its own training settings.

    Raises:
        ConfigError: A bad key or value, or a data set or base that params.yaml doesn't have.
    """
    entry("experiments", name, path)
    return build_experiment(read_params(path), name, path)


def build_experiment(params: Mapping[str, Any], name: str, path: Path) -> tuple[ExperimentConfig, TrainConfig]:
    """Build one experiment of a file that is read already, as ``load_experiment`` does.

    Args:
        params: The whole of ``params.yaml``, its top level checked.
        name: Name of the experiment.
        path: The file, for messages.
    """
    shared = examine_train(params)
    experiment, train, faults = examine_experiment(params, name)
    refuse(path, [*shared, *faults, *find_reference_faults(params, name)])
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
    if own == UNTRAINED and experiment is not None and experiment.model.input is not None:
        return experiment, TrainConfig(image_size=experiment.model.input.size), faults
    if not isinstance(own, Mapping | None):
        return experiment, None, faults
    shared = params.get("train") or {}
    train, found = examine(TrainConfig, merge_train(shared, own or {}), f"{key}.train")
    if train is not None and experiment is not None and experiment.model.input is not None:
        train = train.model_copy(update={"image_size": experiment.model.input.size})
    if experiment is not None and train is not None:
        faults += _never_counted(f"{key}.guidance", experiment, train)
    _, known = examine(TrainConfig, shared, f"{key}.train", unread=True)
    return experiment, train, [*faults, *(fault for fault in found if fault not in known)]


def _never_counted(key: str, experiment: ExperimentConfig, train: TrainConfig) -> list[Fault]:
    """List terms of guidance that begin after the last epoch, or after their own end."""
    faults = []
    for number, term in enumerate(experiment.guidance):
        if term.end_epoch is not None and term.end_epoch <= term.start_epoch:
            text = f"should be above start_epoch {term.start_epoch}: the term never counts, got {term.end_epoch}"
            faults.append(Fault(f"{key}.{number}.end_epoch", text))
        elif term.start_epoch >= train.epochs:
            text = f"should be below train.epochs {train.epochs}: the term never counts, got {term.start_epoch}"
            faults.append(Fault(f"{key}.{number}.start_epoch", text))
    return faults


def list_unreached(key: str, experiment: ExperimentConfig, train: TrainConfig) -> list[Fault]:
    """List what changes no training: a term that weighs nothing, and what lies beyond the end, for a short try.

    Args:
        key: Key of the experiment.
        experiment: The experiment.
        train: Its training settings.
    """
    end, schedule = train.epochs, train.schedule
    found = []
    if schedule.warmup_epochs >= end and "name" in schedule.model_fields_set:
        text = f"its warm-up is as long as the training: {schedule.name!r} never begins"
        found.append(("train.schedule", text))
    if train.early_stopping is not None and train.early_stopping >= end - 1:
        found.append(("train.early_stopping", f"in {end} epochs no training stops after {train.early_stopping}"))
    begins = 0
    for number, phase in enumerate(train.freeze):
        if begins >= end:
            found.append((f"train.freeze.{number}", f"begins after epoch {begins}, and the training has {end}"))
        elif begins + phase.epochs > end:
            text = f"the phase ends with epoch {begins + phase.epochs}, and the training with epoch {end}"
            found.append((f"train.freeze.{number}.epochs", text))
        begins += phase.epochs
    for number, term in enumerate(experiment.guidance):
        if not term.weight:
            found.append((f"guidance.{number}.weight", "0, so that the term is only measured, in history.csv"))
        if term.end_epoch is not None and term.end_epoch >= end:
            text = f"{term.end_epoch} is not reached: the training has {end} epochs"
            found.append((f"guidance.{number}.end_epoch", text))
    return [Fault(f"{key}.{place}", f"without effect: {text}", stops=False) for place, text in found]


def merge_train(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Overlay the section ``train`` by an experiment's own settings, without what these switch off of it."""
    return drop_inherited(TrainConfig, merge(shared, own), own)


def examine_train(params: Mapping[str, Any]) -> list[Fault]:
    """List what is wrong with the section ``train``; a value that some experiment reads has an effect.

    Args:
        params: The whole of ``params.yaml``, its top level checked.
    """
    shared, experiments = params.get("train") or {}, params.get("experiments") or {}
    built, faults = examine(TrainConfig, shared, "train", unread=True)
    if built is None:
        return faults
    own = [_field(entry_, "train") for entry_ in experiments.values()]
    settings = [(one, merge_train(shared, one)) for one in own if isinstance(one, Mapping)]
    return [
        Fault(".".join(["train", *map(str, one.place)]), one.text)
        for one in find_unread(built)
        if not any(is_written(merged, one.place) and not is_written(given, one.place) for given, merged in settings)
    ]


def find_reference_faults(params: Mapping[str, Any], name: str) -> list[Fault]:
    """List what an experiment names and ``params.yaml`` doesn't have, or what its keys say against each other.

    Args:
        params: The whole of ``params.yaml``, its top level checked.
        name: Name of the experiment.
    """
    key = f"experiments.{name}"
    own, experiments = params["experiments"][name], params["experiments"]
    if not isinstance(own, Mapping):
        return []
    faults = _contradictions(key, own)
    if isinstance(dataset := own.get("dataset"), str) and dataset not in (datasets := params.get("datasets") or {}):
        faults.append(Fault(f"{key}.dataset", f"no data set {dataset!r}; {near_names(dataset, datasets)}"))
    base = own.get("base", "none")
    if not isinstance(base, str) or base == "none":
        return faults
    if base not in experiments:
        others = [other for other in [*experiments, "none"] if other != name]  # itself would be a circle
        return [*faults, Fault(f"{key}.base", f"no experiment {base!r}; {near_names(base, others)}")]
    chain = [name]
    while isinstance(base, str) and base in experiments and base not in chain:
        chain.append(base)
        base = _field(experiments[base], "base")
    if base == name:
        circle = " -> ".join([*chain, name])
        return [*faults, Fault(f"{key}.base", f"goes round in a circle ({circle}); one of them needs `base: none`")]
    return faults + _misfits(f"{key}.base", own, str(own["base"]), experiments[str(own["base"])])


def _contradictions(key: str, own: Mapping[str, Any]) -> list[Fault]:
    """What keys of an experiment say against each other, whatever else is wrong with it."""
    faults = _external_contradictions(key, own)
    base, weights = own.get("base"), _field(own.get("model"), "weights")
    if all(isinstance(start, str) and start != "none" for start in (base, weights)):
        faults.append(Fault(key, f"base {base!r} and model.weights {weights!r} exclude each other"))
    if own.get("target") == "subject" and own.get("guidance"):
        faults.append(Fault(key, "target subject takes no guidance, whose cues are expressions'"))
    return faults


def _external_contradictions(key: str, own: Mapping[str, Any]) -> list[Fault]:
    """What can't be said of a model that was made elsewhere, and what can be said of no other."""
    untrained = own.get("train") == UNTRAINED
    if _field(own.get("model"), "backbone") != EXTERNAL:
        text = f"{UNTRAINED!r} is for backbone {EXTERNAL!r} alone; what is trained here has settings"
        return [Fault(f"{key}.train", text)] if untrained else []
    if not untrained:
        return list(_fine_tuning_contradictions(key, own))
    faults = []
    if own.get("guidance"):
        faults.append(Fault(f"{key}.guidance", "nothing is trained, so that nothing can be guided; write `[]`"))
    if own.get("base", "none") != "none":
        faults.append(Fault(f"{key}.base", "nothing is trained, from no start; write `base: none`"))
    if own.get("target", "expression") != "expression":
        faults.append(Fault(f"{key}.target", "nothing is trained; delete it"))
    return faults


def _fine_tuning_contradictions(key: str, own: Mapping[str, Any]) -> Iterator[Fault]:
    """What can't be said of the training of a model that was made elsewhere."""
    factory = _field(own.get("model"), "factory")
    if isinstance(factory, str) and not has_gradients(factory):
        text = f"an ONNX file has no gradients, so that it can't be trained; write `train: {UNTRAINED}`"
        yield Fault(f"{key}.train", text)
    if is_written(own.get("train"), ("image_size",)):
        yield Fault(f"{key}.train.image_size", no_effect("model.input.size says it of an external backbone"))
    if own.get("target") == "subject":
        yield Fault(f"{key}.target", "an external model keeps its own classes, which are expressions")


def _misfits(key: str, own: Mapping[str, Any], base: str, other: object) -> list[Fault]:
    """What keeps a model from starting with the weights of another one."""
    ours, theirs = own.get("model"), _field(other, "model")
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping):
        return []
    pairs = {"backbone": (ours.get("backbone"), theirs.get("backbone"))}
    pairs["in_chans"] = ours.get("in_chans", 3), theirs.get("in_chans", 3)
    pairs["factory"] = ours.get("factory"), theirs.get("factory")
    return [
        Fault(key, f"experiment {base!r} has {part} {other_s!r}, this one {own!r}")
        for part, (own, other_s) in pairs.items()
        if own != other_s and all(isinstance(value, str) or value in (1, 3) for value in (own, other_s))
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

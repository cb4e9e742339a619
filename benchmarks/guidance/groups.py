"""Read the evaluated repeats of a project's groups, and find what each group is compared with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from fer_au.compute import log
from fer_au.config.entries import build_experiment
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.config.external import UNTRAINED
from fer_au.errors import DataError
from fer_au.evaluation.robustness_metrics import Answers
from fer_au.evaluation.robustness_store import read_answers
from fer_au.evaluation.slices import Slice, cut_slices
from fer_au.evaluation.traits import stored_traits
from fer_au.results.experiment import ExperimentResult
from fer_au.results.reading import read_results

_RECIPE = ("image_size", "augment", "class_weights", "sampling", "label_smoothing", "select_on")
"""Keys of ``train`` in which two methods differ; lengths and rates go with the share of the faces."""


@dataclass(frozen=True)
class Run:
    """One evaluated repeat of a group.

    Attributes:
        result: Its results.
    """

    result: ExperimentResult

    @cached_property
    def answers(self) -> dict[str, Answers]:
        """Answers to disturbed images; empty if there are none."""
        return read_answers(self.result.results)

    @cached_property
    def slices(self) -> dict[str, Slice]:
        """Slices of the test images, by name."""
        return {one.name: one for one in cut_slices(stored_traits(self.result.results))}


@dataclass(frozen=True)
class Group:
    """A group's repeats on one data set.

    Attributes:
        name: The group.
        dataset: Its data set.
        config: Entry of its first experiment.
        train: Training settings of that experiment.
        runs: Seed (and fold, if there are any) -> repeat that is evaluated.
        waiting: Experiments without results.
    """

    name: str
    dataset: str
    config: ExperimentConfig
    train: TrainConfig
    runs: dict[str, Run] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    @property
    def method(self) -> str:
        """The guidance in a word; ``vanilla`` has none, and ``again`` neither, but starts from another experiment."""
        cues = "+".join(term.cue for term in self.config.guidance)
        return cues or ("vanilla" if self.config.base == "none" else "again")

    @property
    def is_plain(self) -> bool:
        """Whether it is a reference: no guidance, and no training before."""
        return self.method == "vanilla"

    @property
    def recipe(self) -> str:
        """What is the same in groups that differ in the share of the faces alone."""
        config, train = self.config.model_dump(mode="json"), self.train.model_dump(mode="json")
        settings = {key: train[key] for key in _RECIPE}
        known = [self.dataset, self.method, config["model"], config["guidance"], settings]
        return json.dumps(known, sort_keys=True)


@dataclass(frozen=True)
class Family:
    """Groups that are compared: of one data set, one backbone and one share of the training faces.

    Attributes:
        dataset: The data set.
        backbone: The backbone.
        fraction: Share of the training faces.
        groups: The groups, in the order of ``params.yaml``.
    """

    dataset: str
    backbone: str
    fraction: float
    groups: list[Group]

    @property
    def title(self) -> str:
        """Name for a heading."""
        share = "" if self.fraction == 1 else f", {self.fraction:.0%} of the training faces"
        return f"{self.dataset}, {self.backbone}{share}"

    @property
    def reference(self) -> Group | None:
        """The group that the others are compared with: the first without guidance and without a base."""
        return next((one for one in self.groups if one.is_plain and one.runs), None)


def read_groups(projects: Iterable[Path], datasets: Sequence[str], names: Sequence[str]) -> list[Group]:
    """Read the groups of projects; experiments without a group stand alone, under their own name.

    Models that were made elsewhere, and controls that learnt shuffled labels, are left out.

    Args:
        projects: Folders with ``params.yaml``, ``metrics`` and ``evaluation``.
        datasets: Data sets to look at; empty for all.
        names: Groups to look at; empty for all.

    Raises:
        ConfigError: A ``params.yaml`` is wrong.
        DataError: Nothing is evaluated.
    """
    groups: dict[tuple[str, str, str, float], Group] = {}
    for project in projects:
        path = project / "params.yaml"
        found = read_results(path, project)
        for entry in found.experiments:
            name = entry.group or entry.name
            if (datasets and entry.dataset not in datasets) or (names and name not in names):
                continue
            config, train = build_experiment(dict(found.params), entry.name, path)
            if config.train == UNTRAINED or train.labels != "given":
                continue
            key = str(project), entry.dataset, name, train.fraction
            group = groups.setdefault(key, Group(name, entry.dataset, config, train))
            if entry.fault:
                log(f"left out: {entry.fault}")
            elif entry.result is not None and entry.change:
                log(f"{entry.name} is not up to date: {entry.change.text()}")
            if entry.result is not None:
                fold = "" if config.fold is None else f", fold {config.fold}"
                group.runs[f"seed {config.seed}{fold}"] = Run(entry.result)
            else:
                group.waiting.append(entry.name)
    if not any(group.runs for group in groups.values()):
        raise DataError("nothing is evaluated among these groups; run `dvc repro`")
    return list(groups.values())


def find_families(groups: Sequence[Group]) -> list[Family]:
    """Sort groups into those that are compared, in order of first appearance; groups without results are left out."""
    families: dict[tuple[str, str, float], Family] = {}
    for group in groups:
        if group.runs:
            key = group.dataset, group.config.model.backbone, group.train.fraction
            families.setdefault(key, Family(*key, [])).groups.append(group)
    return list(families.values())


def find_curves(groups: Sequence[Group]) -> dict[str, list[list[Group]]]:
    """Tie groups that differ in the share of the training faces alone.

    Returns:
        Data set and backbone -> methods, each a list of two groups or more by growing share.
    """
    tied: dict[tuple[str, str], dict[str, list[Group]]] = {}
    for group in groups:
        if group.runs:
            place = group.dataset, group.config.model.backbone
            tied.setdefault(place, {}).setdefault(group.recipe, []).append(group)
    curves = {
        f"{dataset}, {backbone}": [
            sorted(members, key=lambda one: one.train.fraction)
            for members in recipes.values()
            if len({one.train.fraction for one in members}) > 1
        ]
        for (dataset, backbone), recipes in tied.items()
    }
    return {title: methods for title, methods in curves.items() if methods}


def curve_name(groups: Sequence[Group]) -> str:
    """Name a method whose groups differ in the share alone: by what their names begin with, else by the largest one."""
    places = zip(*(group.name for group in groups), strict=False)
    shared = "".join(one for one, *_ in takewhile(lambda letters: len(set(letters)) == 1, places))
    return shared.rstrip("-_0123456789") or groups[-1].name

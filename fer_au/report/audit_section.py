"""Lay out the audits of maps: a table per experiment of what fresh weights change, and one of what a model needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fer_au.evaluation.audit_metrics import ATTENTION, BOUND, GAINS, MEASURES, REFERENCES, STEPS
from fer_au.report.collect import Estimate, Experiment
from fer_au.results.controls import audit_labels, find_controls

_TITLES = {
    ATTENTION: "attention, last layer",
    "baseline.random": "random map",
    "baseline.blank": "blank map: rows from the top",
    "baseline.gaussian": "centred Gaussian",
    "baseline.class_mean": "mean AU map of the class",
}
_WORDS = {"deletion": "deletion", "insertion": "insertion", "road": "ROAD"}
_SURVIVES, _ROAD, _AREAS = "audit.survives.", "audit.road.", ("deletion", "insertion", "road")


@dataclass(frozen=True)
class RandomisedRow:
    """How similar a map stays under fresh weights.

    Attributes:
        title: Name of the map.
        ranks: Rank correlation in each step.
        absolute: That of absolute values in the last step.
        ssim: SSIM in the last step.
        unrelated: Rank correlation of two networks of fresh weights.
        fails: Whether the map survives, and so explains no model.
        verdict: The same in words.
    """

    title: str
    ranks: list[Estimate]
    absolute: Estimate
    ssim: Estimate
    unrelated: Estimate
    fails: bool
    verdict: str


@dataclass(frozen=True)
class FaithfulRow:
    """How faithful a map is.

    Attributes:
        title: Name of the map.
        blind: Whether it is a reference, which never saw the picture.
        areas: Means of deletion, insertion and ROAD.
        gains: How much better than a Gaussian by each of them; empty for the Gaussian itself.
        fails: Whether it is a map of the model and no better than a Gaussian by any of them.
        verdict: In words; empty for references.
    """

    title: str
    blind: bool
    areas: list[Estimate]
    gains: list[Estimate]
    fails: bool
    verdict: str


@dataclass(frozen=True)
class LabelRow:
    """How similar a map is to that of a control, which learnt shuffled labels.

    Attributes:
        experiment: The experiment.
        control: Its control.
        title: Name of the map.
        similarities: Rank correlation, that of absolute values, and SSIM.
        fails: Whether the map hardly depends on the labels.
        verdict: The same in words.
    """

    experiment: str
    control: str
    title: str
    similarities: list[Estimate]
    fails: bool
    verdict: str


@dataclass(frozen=True)
class AuditTable:
    """Audits of the maps of an experiment.

    Attributes:
        experiment: Its name.
        images: Number of audited images.
        randomised: A row per map; empty where that was not audited.
        faithful: A row per map and reference; empty where that was not audited.
    """

    experiment: str
    images: int
    randomised: list[RandomisedRow]
    faithful: list[FaithfulRow]


def audit_tables(experiments: Sequence[Experiment]) -> list[AuditTable]:
    """Lay out the audits of each experiment that has some."""
    tables = []
    for one in experiments:
        survivals = [key.removeprefix(_SURVIVES) for key in one.metrics if key.startswith(_SURVIVES)]
        judged = [key.removeprefix(_ROAD) for key in one.metrics if key.startswith(_ROAD)]
        judged.sort(key=lambda name: REFERENCES.index(name) if name in REFERENCES else -1)
        if survivals or judged:
            rows = [_randomised(one, name) for name in survivals], [_faithful(one, name) for name in judged]
            tables.append(AuditTable(one.name, int(one.number("audit.n")), *rows))
    return tables


def label_rows(experiments: Sequence[Experiment], params: Mapping[str, Any]) -> list[LabelRow]:
    """Compare the maps of experiments with those of their controls; none where there is no control.

    Args:
        experiments: Experiments on one data set.
        params: Content of ``params.yaml``.
    """
    return [
        LabelRow(
            own.name,
            control.name,
            _title(one.map),
            [Estimate(found.difference, found.low, found.high) for found in one.similarities.values()],
            one.survives,
            one.verdict,
        )
        for own, control in find_controls(experiments, params)
        for one in audit_labels(own, control)
    ]


def _randomised(one: Experiment, name: str) -> RandomisedRow:
    rank, absolute, ssim = MEASURES
    ranks = [one.estimate(f"audit.randomisation.{step}.{rank}.{name}") for step in range(1, STEPS + 1)]
    last = {measure: one.estimate(f"audit.randomisation.{STEPS}.{measure}.{name}") for measure in (absolute, ssim)}
    unrelated = one.estimate(f"audit.unrelated.{rank}.{name}")
    survives = one.number(f"{_SURVIVES}{name}") == 1
    verdict = _survival(ranks[-1], survives)
    return RandomisedRow(_title(name), ranks, last[absolute], last[ssim], unrelated, survives, verdict)


def _survival(full: Estimate, survives: bool) -> str:
    if survives:
        return "fails: nearly the same map without the trained weights"
    if full.high < BOUND:
        return "depends on the weights"
    return "depends on the weights: two untrained networks are more alike"


def _faithful(one: Experiment, name: str) -> FaithfulRow:
    areas = [one.estimate(f"audit.{area}.{name}") for area in _AREAS]
    gains = [one.estimate(f"audit.gain.{gain}.{name}") for gain in GAINS]
    better = [_WORDS[gain] for gain in GAINS if one.number(f"audit.beats_gaussian.{gain}.{name}") == 1]
    blind = name in REFERENCES
    if all(math.isnan(gain.value) for gain in gains):
        gains = []
    if blind:
        return FaithfulRow(_title(name), blind, areas, gains, False, "")
    rest = [word for word in _WORDS.values() if word not in better]
    verdict = f"better than a Gaussian by {_listed(better)}" if better else "fails: no better than a Gaussian"
    return FaithfulRow(
        _title(name),
        blind,
        areas,
        gains,
        not better,
        verdict + (f", not by {_listed(rest)}" if better and rest else ""),
    )


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _title(name: str) -> str:
    return _TITLES.get(name) or f"CAM {name.removeprefix('cam.')}"

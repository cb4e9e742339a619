"""Tabulate scores: the verdict at the top, the groups, and every metric with its meaning."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fer_au.evaluation import PairedDifference
from fer_au.evaluation.metrics_file import Metric
from fer_au.report.collect import Experiment, Project
from fer_au.report.statistics import Comparison, compare, reference_of
from fer_au.results.experiment import CrossResult
from fer_au.results.glossary import FAMILIES, look_up, rank
from fer_au.results.groups import Spread, by_group, group_spreads

GROUP_METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "att_cos", "att_ccos", "att_auc")
ATTENTION_KEYS = ("att_cos", "att_ccos", "att_ccos_moved", "att_specificity")
SIGNIFICANT = 0.05
MAX_WORDED = 6


@dataclass(frozen=True)
class Gauge:
    """Score with its references, for a bar from 0 to 1; NaN where undefined."""

    key: str
    value: float
    blank: float
    class_mean: float
    ceiling: float


@dataclass(frozen=True)
class VerdictRow:
    """Row of one experiment in the verdict tables.

    Attributes:
        experiment: Experiment of the row.
        method: Guidance in words.
        accuracy: Share of right answers, in [0, 1].
        attention: Scores of the attention.
        cams: Scores of the CAMs.
        comparison: Paired comparison with the reference; None for the reference itself.
    """

    experiment: Experiment
    method: str
    accuracy: float
    attention: list[Gauge]
    cams: list[Gauge]
    comparison: Comparison | None


@dataclass(frozen=True)
class Sentence:
    """Finding in words, with the experiments that it is about."""

    experiments: list[str]
    text: str


@dataclass(frozen=True)
class Verdict:
    """Verdict on the experiments of one data set.

    Attributes:
        dataset: Key of the data set.
        attention_keys: Keys of the attention's scores that any experiment has.
        cam_keys: Keys of the CAMs' scores.
        rows: Rows of the experiments, in the order of params.yaml.
        reference: Name of the experiment that the others are compared with; None if there is none.
        sentences: Findings in words.
    """

    dataset: str
    attention_keys: list[str]
    cam_keys: list[str]
    rows: list[VerdictRow]
    reference: str | None
    sentences: list[Sentence]


@dataclass(frozen=True)
class GroupRow:
    """Mean and deviation of the repeats of one group."""

    group: str
    members: list[str]
    spreads: dict[str, Spread]


@dataclass(frozen=True)
class CrossTable:
    """Scores on other data sets: their keys, and the values of each ``cross`` entry."""

    score_keys: list[str]
    rows: list[tuple[CrossResult, list[Metric]]]


@dataclass(frozen=True)
class MetricRow:
    """Row of one metric with the values of all experiments."""

    key: str
    meaning: str
    values: list[Metric]


@dataclass(frozen=True)
class MetricFamily:
    """Metrics that belong together, with a note that holds for all of them."""

    title: str
    note: str
    rows: list[MetricRow]


def verdict(dataset: str, experiments: Sequence[Experiment]) -> Verdict:
    """Compare the experiments on one data set with their baselines and with the first unguided one."""
    reference = reference_of(experiments)
    attention = [key for key in ATTENTION_KEYS if any(key in one.metrics for one in experiments)]
    cams = list(dict.fromkeys(cam for one in experiments for cam in one.cams))
    cam_keys = [f"{kind}.{cam}" for kind in ("cam_cos", "cam_ccos") for cam in cams]
    rows = [
        VerdictRow(
            one,
            method_text(one),
            one.number("accuracy"),
            [gauge(one, key) for key in attention],
            [gauge(one, key) for key in cam_keys],
            compare(one, reference) if reference is not None and one is not reference else None,
        )
        for one in experiments
    ]
    name = reference.name if reference else None
    return Verdict(dataset, attention, cam_keys, rows, name, [*findings(rows), *caveats(rows)])


def gauge(experiment: Experiment, key: str) -> Gauge:
    """Put a score beside those of a blank map, the class-mean map and the AU map itself on the same grid."""
    number, reference = experiment.number, reference_key(experiment, key)
    return Gauge(
        key,
        number(key),
        number(f"baseline.blank.{reference}"),
        number(f"baseline.class_mean.{reference}"),
        number(f"ceiling.{reference}"),
    )


def reference_key(experiment: Experiment, key: str) -> str:
    """Find the key under which a score's baselines are stored.

    Baselines pass through the last layer's grid, whoever drew a map: they hold for a CAM on that grid, too.
    """
    kind, _, cam = key.partition(".")
    if not cam or not experiment.layers:
        return key
    grids = {
        experiment.results[name].shape[1:]
        for name in (f"attention/{experiment.layers[-1]}", f"cam/{cam}")
        if name in experiment.results
    }
    return kind.replace("cam_", "att_") if len(grids) == 1 else key


def method_text(experiment: Experiment) -> str:
    """Describe an experiment's guidance in a few words."""
    terms = [
        f"{term.cue} · {term.loss} · layer {', '.join(term.layers)} · weight {term.weight:g}"
        + (f" · landmark noise {term.landmark_noise:g}" if term.landmark_noise else "")
        for term in experiment.config.guidance
    ]
    return " + ".join(terms) or "no guidance"


def findings(rows: Sequence[VerdictRow]) -> list[Sentence]:
    """Put the paired comparisons into words; where there are many, only the table shows them."""
    compared = [(row.experiment.name, row.comparison) for row in rows if row.comparison]
    return (
        [Sentence([name], finding(comparison)) for name, comparison in compared] if len(compared) <= MAX_WORDED else []
    )


def finding(comparison: Comparison) -> str:
    """Put one paired comparison into words."""
    accuracy = _direction(comparison.accuracy, "higher", "lower", "not significantly different")
    return (
        f"{_gaze(comparison)} Its accuracy is {accuracy}: {_interval(comparison.accuracy, 100, 1)} percentage points."
    )


def _gaze(comparison: Comparison) -> str:
    if not comparison.att_ccos.n:
        return f"has no test image with an AU map: its attention can't be compared with that of {comparison.reference}."
    gaze = _direction(comparison.att_ccos, "more closely than", "less closely than", "about as closely as")
    return (
        f"looks at the action units {gaze} {comparison.reference}: "
        f"centred cosine {_interval(comparison.att_ccos, 1, 2)}."
    )


def caveats(rows: Sequence[VerdictRow]) -> list[Sentence]:
    """Warn of scores that an image-blind baseline reaches as well, of missing AU maps, and of selection on test."""
    found: dict[str, list[str]] = {}
    for row in rows:
        score = row.experiment.number
        texts = []
        if score("accuracy") <= majority_share(row.experiment.labels):
            texts.append("accuracy no better than always answering the most common expression.")
        if score("n_cos") == 0:
            texts.append("no test image has an AU map (all neutral, or no landmarks found), so no attention is scored.")
        if score("att_cos") < score("baseline.blank.att_cos"):
            texts.append("att_cos below that of a blank map: worse than looking nowhere in particular.")
        if score("att_ccos") < score("baseline.class_mean.att_ccos"):
            texts.append("att_ccos below that of the class-mean map, which knows the label and never sees the image.")
        if row.experiment.metrics.get("selected_on") == "test":
            texts.append("best epoch chosen on the test split, so the scores are flattered.")
        for text in texts:
            found.setdefault(text, []).append(row.experiment.name)
    return [
        Sentence(names, text)
        if len(names) <= MAX_WORDED
        else Sentence([], f"{len(names)} of {len(rows)} experiments: {text}")
        for text, names in found.items()
    ]


def majority_share(labels: Sequence[str]) -> float:
    """Compute the share of the most common label: the accuracy of a constant answer."""
    return max(Counter(labels).values(), default=0) / max(1, len(labels))


def group_rows(experiments: Sequence[Experiment]) -> list[GroupRow]:
    """Make a row per group, in order of first appearance."""
    groups = by_group(experiments, lambda one: one.config.group or None)
    keys = [key for key in GROUP_METRICS if any(key in one.metrics for members in groups.values() for one in members)]
    return [
        GroupRow(group, [one.name for one in members], group_spreads(members, keys))
        for group, members in groups.items()
    ]


def metric_table(experiments: Sequence[Experiment]) -> list[MetricFamily]:
    """Tabulate every metric of every experiment by family; None where an experiment lacks it."""
    keys = sorted({key for one in experiments for key in one.metrics}, key=lambda key: (rank(key), key))
    table = {family: MetricFamily(family, note, []) for family, note in FAMILIES.items()}
    for key in keys:
        family, meaning = look_up(key)
        table[family].rows.append(MetricRow(key, meaning, [one.metrics.get(key) for one in experiments]))
    return [family for family in table.values() if family.rows]


def cross_table(project: Project) -> CrossTable | None:
    """Tabulate scores on other data sets; None if ``params.yaml`` names none."""
    if not project.cross:
        return None
    keys = [key for key in GROUP_METRICS if any(key in one.metrics for one in project.cross)]
    return CrossTable(keys, [(one, [one.metrics.get(key) for key in keys]) for one in project.cross])


def significant(difference: PairedDifference) -> bool:
    """Tell whether a difference is significant at 5 %."""
    return difference.n > 0 and difference.p < SIGNIFICANT


def _direction(difference: PairedDifference, up: str, down: str, same: str) -> str:
    if not significant(difference):
        return same
    return up if difference.difference > 0 else down


def _interval(difference: PairedDifference, factor: float, digits: int) -> str:
    if not math.isfinite(difference.difference):
        return "undefined"
    middle, low, high = (value * factor for value in (difference.difference, difference.low, difference.high))
    return f"{middle:+.{digits}f} (95 % interval {low:+.{digits}f} to {high:+.{digits}f})".replace("-", "−")

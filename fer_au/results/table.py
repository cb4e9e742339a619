"""Make the short table that a paper prints: a row for each experiment or group, with its published numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fer_au.errors import ConfigError
from fer_au.evaluation.bootstrap import bootstrap_share
from fer_au.evaluation.metrics_file import HEADLINE, is_headline
from fer_au.presets.published import Published, Repeated
from fer_au.registry import near_names
from fer_au.results.experiment import ExperimentResult
from fer_au.results.groups import Spread, by_group, group_spreads
from fer_au.results.reading import Entry, Result, Results

KEYS = ("accuracy", "balanced_accuracy", "macro_f1", "att_cos", "att_ccos", "att_class_rank")
"""Metrics of the table, in its order; a metric that no experiment has is left out, but for the accuracy."""

WAITING = "not evaluated yet"
UNREADABLE = "can't be read"

_UNKNOWN = (math.nan, math.nan)


@dataclass(frozen=True)
class Row:
    """Row of the table.

    Attributes:
        name: Experiment, group or entry of ``cross``.
        dataset: Data set that was scored.
        scores: Metric -> mean, deviation and number of runs; for a single experiment the value itself.
        texts: Metric that is no number -> its values.
        runs: Number of experiments that the scores are taken from.
        members: Number of experiments that belong to the row, evaluated or not.
        images: Test images, each counted once; None if unknown.
        interval: Lower and upper end of the accuracy's 95 % interval; NaN where undefined, and for several runs.
        published: Rows of the published table that the row repeats.
        state: Reason why there are no scores; empty if there are scores.
        caveats: Conditions that flatter or limit the scores, in words.
    """

    name: str
    dataset: str
    scores: Mapping[str, Spread] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    runs: int = 0
    members: int = 1
    images: int | None = None
    interval: tuple[float, float] = _UNKNOWN
    published: Sequence[Repeated] = ()
    state: str = ""
    caveats: Sequence[str] = ()

    def number(self, key: str) -> float:
        """Give the mean of a metric; NaN where it is absent, undefined or text."""
        return self.scores[key].mean if key in self.scores else math.nan

    def published_number(self, key: str) -> float:
        """Average the published values of a metric; NaN if there are none.

        Several rows of a published table may be about one training: the differences between them are chance.
        """
        values = [row.metrics[key] for row in self.published if key in row.metrics]
        return math.fsum(values) / len(values) if values else math.nan


@dataclass(frozen=True)
class Table:
    """The short table.

    Attributes:
        keys: Metrics that are shown.
        rows: Rows of experiments, or of groups.
        cross: Rows of models on other data sets.
        grouped: Whether the rows are groups.
        source: Source of the published numbers; empty if there are none.
        other_groups: Groups that have published numbers, if the rows are experiments.
    """

    keys: tuple[str, ...]
    rows: list[Row]
    cross: list[Row]
    grouped: bool
    source: str
    other_groups: tuple[str, ...] = ()


def tabulate(results: Results, *, grouped: bool = False, sort: str | None = None) -> Table:
    """Make the table.

    Args:
        results: Results to show.
        grouped: Whether each group has a row instead of each experiment; experiments without a group keep theirs.
        sort: Headline metric by which the rows are sorted, highest first; it is shown, too.

    Raises:
        ConfigError: No result has such a metric.
    """
    found = {key for one in results.evaluated for key in one.metrics}
    if sort is not None:
        _check_key(sort, found)
    shown = [key for key in KEYS if key == "accuracy" or key in found]
    keys = tuple(dict.fromkeys([*shown, *([sort] if sort else [])]))
    # An experiment without a group may have the name of one.
    ties = {(False, one.name): [one] for one in results.experiments}
    if grouped:
        ties = by_group(results.experiments, lambda one: (one.group is not None, one.group or one.name))
    rows = [
        _row(name, members, keys, _repeated(results.published, name, tied=tied))
        for (tied, name), members in ties.items()
    ]
    cross = [_row(one.name, [one], keys, []) for one in results.cross]
    if sort is not None:
        rows, cross = _sorted(rows, sort), _sorted(cross, sort)
    if results.published is None:
        return Table(keys, rows, cross, grouped, "")
    published = {row.group for row in results.published.rows if row.metrics and not grouped}
    other = tuple(dict.fromkeys(one.group for one in results.experiments if one.group and one.group in published))
    return Table(keys, rows, cross, grouped, results.published.source, other)


def _check_key(key: str, found: Iterable[str]) -> None:
    """Refuse a key that is no headline metric of any result, or, before the first evaluation, of none to come."""
    known = {one for one in found if is_headline(one)} or {one for one in HEADLINE if "<" not in one}
    if key not in known:
        raise ConfigError(f"--sort {key}: no experiment has such a headline metric; {near_names(key, known)}")


def _repeated(published: Published | None, name: str, *, tied: bool) -> list[Repeated]:
    rows = published.rows if published else ()
    return [row for row in rows if row.metrics and (row.group if tied else row.experiment) == name]


def _row(name: str, members: Sequence[Entry], keys: Sequence[str], published: Sequence[Repeated]) -> Row:
    results = [one.result for one in members if one.result]
    dataset = ", ".join(dict.fromkeys(one.dataset for one in members))
    if not results:
        state = UNREADABLE if any(one.fault for one in members) else WAITING
        return Row(name, dataset, members=len(members), published=published, state=state)
    wanted = dict.fromkeys([*keys, *(key for row in published for key in row.metrics)])
    texts = {key: sorted({text for one in results if isinstance(text := one.metrics.get(key), str)}) for key in keys}
    return Row(
        name,
        dataset,
        group_spreads(results, list(wanted)),
        {key: ", ".join(values) for key, values in texts.items() if values},
        runs=len(results),
        members=len(members),
        images=_count_images(results),
        interval=accuracy_interval(results[0]) if len(members) == 1 else _UNKNOWN,
        published=published,
        caveats=_caveats(results),
    )


def _caveats(results: Sequence[Result]) -> list[str]:
    """List deviations from the usual: the epoch is chosen on ``valid``, and the images are those of ``test``."""
    own = [one for one in results if isinstance(one, ExperimentResult)]
    splits = dict.fromkeys(str(one.results.attributes.get("split", "test")) for one in own)
    found = [f"scored on the split {split}" for split in splits if split != "test"]
    if any(one.metrics.get("selected_on") == "test" for one in results):
        found.append("best epoch chosen on the test split, so the scores are flattered")
    return found


def accuracy_interval(result: Result) -> tuple[float, float]:
    """Compute the accuracy's 95 % interval over images; NaN if the answers to single images are missing."""
    return bootstrap_share(result.correct) if isinstance(result, ExperimentResult) else _UNKNOWN


def _count_images(results: Sequence[Result]) -> int | None:
    """Count test images, which are the same for all seeds but not for all folds."""
    ids = [set(one.results.ids) for one in results if isinstance(one, ExperimentResult)]
    if ids:
        return len(set().union(*ids))
    images = results[0].number("n")
    return int(images) if math.isfinite(images) else None


def _sorted(rows: Sequence[Row], key: str) -> list[Row]:
    """Sort rows from the highest value to the lowest, then texts by the alphabet, then rows without a value."""

    def rank(row: Row) -> tuple[int, float, str]:
        if math.isfinite(value := row.number(key)):
            return 0, -value, ""
        return (1, 0.0, row.texts[key]) if key in row.texts else (2, 0.0, "")

    return sorted(rows, key=rank)

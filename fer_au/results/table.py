"""Make the short table that a paper prints: a row for each experiment or group, with its published numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fer_au.config.published import Published, Repeated
from fer_au.errors import ConfigError
from fer_au.evaluation.metrics_file import HEADLINE, is_headline
from fer_au.registry import near_names
from fer_au.results.changes import NO_CHANGE, Change
from fer_au.results.experiment import ExperimentResult
from fer_au.results.groups import Spread, by_group, group_spreads
from fer_au.results.reading import Entry, Results
from fer_au.results.references import REFERENCES, grid_of, reference_metric
from fer_au.results.remarks import LOOKS_NOT, Remark, limits, looking

KEYS = ("accuracy", "balanced_accuracy", "macro_f1", "att_cos", "att_ccos", "att_class_rank")
"""Metrics of the table, in its order; a metric that no experiment has is left out, but for the accuracy."""

WAITING = "not evaluated yet"
UNREADABLE = "can't be read"

_UNKNOWN = (math.nan, math.nan)


@dataclass(frozen=True)
class Row:
    """Row of the table.

    Attributes:
        name: Experiment, group or entry of ``cross``; a group of entries of ``cross`` has its experiments' name.
        dataset: Data set that was scored.
        scores: Metric -> mean, deviation and number of runs; for a single experiment the value itself.
        texts: Metric that is no number -> its values.
        runs: Number of experiments that the scores are taken from.
        members: Number of experiments that belong to the row, evaluated or not.
        images: Test images, each counted once; None if unknown.
        interval: Lower and upper end of the accuracy's 95 % interval; NaN where undefined, and for several runs.
        published: Rows of the published table that the row repeats.
        state: Reason why there are no scores; empty if there are scores.
        caveats: What flatters or limits the scores.
        change: What has changed since the scores were computed.
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
    caveats: Sequence[Remark] = ()
    change: Change = NO_CHANGE

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
        references: Scores to read the rows beside, of no model: baselines and ceiling, for each data set
            and grid of the last layer; the mean, where the test images of experiments differ.
        cross_references: The same for ``cross``.
        reference_keys: Metrics that hold these scores, as far as any result has them.
    """

    keys: tuple[str, ...]
    rows: list[Row]
    cross: list[Row]
    grouped: bool
    source: str
    other_groups: tuple[str, ...] = ()
    references: list[Row] = field(default_factory=list)
    cross_references: list[Row] = field(default_factory=list)
    reference_keys: tuple[str, ...] = ()


def tabulate(results: Results, *, grouped: bool = False, sort: str | None = None) -> Table:
    """Make the table.

    Args:
        results: Results to show.
        grouped: Whether each group has a row instead of each experiment, and one for each other data set; experiments
            without a group keep theirs.
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
    away = {(one.name, ""): [one] for one in results.cross}
    if grouped:  # a group's models on one data set
        away = by_group(results.cross, lambda one: (one.group or one.name, one.dataset if one.group else ""))
    cross = [_row(name, members, keys, []) for (name, _), members in away.items()]
    if sort is not None:
        rows, cross = _sorted(rows, sort), _sorted(cross, sort)
    published = results.published.rows if results.published and not grouped else ()
    groups = {row.group for row in published if row.metrics}
    return Table(
        keys,
        rows,
        cross,
        grouped,
        results.published.source if results.published else "",
        tuple(dict.fromkeys(one.group for one in results.experiments if one.group and one.group in groups)),
        _reference_rows(results.experiments, keys),
        _reference_rows(results.cross, keys),
        tuple(key for key in _reference_keys(keys) if key in found),
    )


def _reference_keys(keys: Sequence[str]) -> list[str]:
    return [reference_metric(None, reference, key) for key in keys for reference in REFERENCES]


def _reference_rows(entries: Sequence[Entry], keys: Sequence[str]) -> list[Row]:
    """Make the rows of references, one set for each data set and grid of the last layer."""
    places: dict[tuple[str, tuple[int, ...]], list[ExperimentResult]] = {}
    for one in entries:
        if one.result is not None:
            places.setdefault((one.dataset, grid_of(one.result)), []).append(one.result)
    datasets, grids = ({place[part] for place in places} for part in (0, 1))
    rows = []
    for (dataset, grid), members in places.items():
        # In the name, which stands in every block of a wide table.
        where = [dataset] if len(datasets) > 1 else []
        where += [" x ".join(map(str, grid))] if len(grids) > 1 and grid else []
        for reference, words in REFERENCES.items():
            scores = {key: _spread(reference, key, members) for key in keys}
            if any(spread.n for spread in scores.values()):
                rows.append(Row(", ".join([words, *where]), dataset, scores, members=0))
    return rows


def _spread(reference: str, key: str, members: Sequence[ExperimentResult]) -> Spread:
    """Average a reference; without a deviation where it is the same for all, as on the same test images."""
    numbers = [one.number(reference_metric(one, reference, key)) for one in members]
    values = [value for value in numbers if math.isfinite(value)]
    spread = math.nan if len({round(value, 4) for value in values}) < 2 else statistics.stdev(values)
    return Spread(statistics.fmean(values) if values else math.nan, spread, len(values))


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
    wanted = dict.fromkeys([*keys, *_reference_keys(keys), *(key for row in published for key in row.metrics)])
    texts = {key: sorted({text for one in results if isinstance(text := one.metrics.get(key), str)}) for key in keys}
    return Row(
        name,
        dataset,
        group_spreads(results, list(wanted)),
        {key: ", ".join(values) for key, values in texts.items() if values},
        runs=len(results),
        members=len(members),
        images=_count_images(results),
        interval=results[0].interval("accuracy") if len(members) == 1 else _UNKNOWN,
        published=published,
        caveats=_caveats(results),
        change=sum((one.change for one in members), NO_CHANGE),
    )


def _caveats(results: Sequence[ExperimentResult]) -> list[Remark]:
    """List what limits the scores: the split that was scored or chose the epoch, and attention that proves nothing."""
    found = dict.fromkeys(remark for one in results for remark in limits(one))
    return [*found, *([LOOKS_NOT] if any(looking(one) == LOOKS_NOT for one in results) else [])]


def _count_images(results: Sequence[ExperimentResult]) -> int:
    """Count test images, which are the same for all seeds but not for all folds."""
    return len(set().union(*(one.results.ids for one in results)))


def _sorted(rows: Sequence[Row], key: str) -> list[Row]:
    """Sort rows from the highest value to the lowest, then texts by the alphabet, then rows without a value."""

    def rank(row: Row) -> tuple[int, float, str]:
        if math.isfinite(value := row.number(key)):
            return 0, -value, ""
        return (1, 0.0, row.texts[key]) if key in row.texts else (2, 0.0, "")

    return sorted(rows, key=rank)

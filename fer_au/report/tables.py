"""Tabulate scores: the verdict at the top, the groups, and every metric with its meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fer_au.config.experiments import GuidanceConfig
from fer_au.evaluation.metrics_file import Metric
from fer_au.glossary import TOO_COARSE, look_up, rank
from fer_au.glossary_entries import FAMILIES
from fer_au.report.collect import Estimate, Experiment, Project, read_estimate
from fer_au.results.differences import Comparison, compare, finding, plain_twin, summary_sentence
from fer_au.results.experiment import CrossResult
from fer_au.results.groups import Spread, by_group, group_spreads
from fer_au.results.looking import best_blind, is_too_coarse
from fer_au.results.published import PublishedScore, published_scores
from fer_au.results.references import reference_metric
from fer_au.results.remarks import LOOKS, LOOKS_NOT, Remark, limits, looking, not_current, weaknesses

GROUP_METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "att_cos", "att_ccos", "att_auc")
ATTENTION_KEYS = ("att_cos", "att_ccos", "att_class_rank", "att_ccos_moved", "att_specificity")
MODULE_KEYS = ("module.att_cos", "module.att_ccos", "module.att_class_rank", "module.att_ccos_moved")
MAX_WORDED = 6


@dataclass(frozen=True)
class Gauge:
    """Score with its references, for a bar from 0 to 1; NaN where undefined.

    Attributes:
        key: Metric.
        value: Its value.
        blind: Score of the best baseline that knows no class.
        class_mean: Score of the class-mean map.
        ceiling: Score of the AU map itself on the same grid.
        note: What limits the score, in words; empty if nothing does.
    """

    key: str
    value: float
    blind: float
    class_mean: float
    ceiling: float
    note: str = ""


@dataclass(frozen=True)
class VerdictRow:
    """Row of one experiment in the verdict tables.

    Attributes:
        experiment: Experiment of the row.
        method: Guidance in words.
        accuracy: Share of right answers, in [0, 1].
        attention: Scores of the attention.
        module: Scores of the head's own map; none if it makes none.
        cams: Scores of the CAMs.
        comparison: Paired comparison with its plain twin; None if it has none.
    """

    experiment: Experiment
    method: str
    accuracy: float
    attention: list[Gauge]
    module: list[Gauge]
    cams: list[Gauge]
    comparison: Comparison | None

    @property
    def model(self) -> str:
        """Experiment whose model was scored."""
        return self.experiment.name

    @property
    def words(self) -> str:
        """What the row is found by: name, group and method."""
        return f"{self.experiment.name} {self.experiment.config.group or ''} {self.method}"


@dataclass(frozen=True)
class Sentence:
    """Finding in words.

    Attributes:
        experiments: Its subjects; none where the text is the whole sentence.
        text: The rest of the sentence.
    """

    experiments: list[str]
    text: str


@dataclass(frozen=True)
class Verdict:
    """Verdict on the experiments of one data set.

    Attributes:
        dataset: Key of the data set.
        attention_keys: Keys of the attention's scores that any experiment has.
        module_keys: Keys of the scores of the heads' own maps; empty if no head makes one.
        cam_keys: Keys of the CAMs' scores.
        heads: Key of a column -> its meaning.
        rows: Rows of the experiments, in the order of params.yaml.
        references: Names of the experiments that others are compared with.
        plain: Whether any experiment has no guidance.
        sentences: Findings in words.
    """

    dataset: str
    attention_keys: list[str]
    module_keys: list[str]
    cam_keys: list[str]
    heads: dict[str, str]
    rows: list[VerdictRow]
    references: list[str]
    plain: bool
    sentences: list[Sentence]


@dataclass(frozen=True)
class GroupRow:
    """Mean and deviation of the repeats of one group."""

    group: str
    members: list[str]
    spreads: dict[str, Spread]


@dataclass(frozen=True)
class CrossRow:
    """Row of an entry of ``cross``.

    Attributes:
        result: Results of the entry.
        scores: Scores with their intervals.
        comparison: Paired comparison with its plain twin among the models on the same data set; None if it has none.
    """

    result: CrossResult
    scores: list[Estimate]
    comparison: Comparison | None

    @property
    def model(self) -> str:
        """Experiment whose model was scored."""
        return self.result.entry.experiment

    @property
    def words(self) -> str:
        """What the row is found by: name, experiment and data set."""
        return f"{self.result.name} {self.model} {self.result.dataset}"


@dataclass(frozen=True)
class CrossTable:
    """Scores on other data sets.

    Attributes:
        score_keys: Metrics that are shown.
        rows: Entries of ``cross``, with these metrics.
        groups: Groups of repeats, each on one data set.
    """

    score_keys: list[str]
    rows: list[CrossRow]
    groups: list[GroupRow]


@dataclass(frozen=True)
class ExternalRow:
    """Scores of maps that were made elsewhere.

    Attributes:
        name: What made the maps.
        source: Data set and split, in words.
        fresh: Whether the data set still is what it was.
        scores: ``EXTERNAL_METRICS``, each with its interval.
    """

    name: str
    source: str
    fresh: bool
    scores: list[Estimate]


@dataclass(frozen=True)
class PublishedTable:
    """Published numbers beside ours.

    Attributes:
        source: Publication and table.
        rows: The numbers, each with our number of test images, in words.
    """

    source: str
    rows: list[tuple[PublishedScore, str]]


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
    """Compare the experiments on one data set with their baselines and with unguided ones."""
    twins = {one.name: plain_twin(one, experiments) for one in experiments}
    attention, module = (
        [key for key in keys if any(key in one.metrics for one in experiments)]
        for keys in (ATTENTION_KEYS, MODULE_KEYS)
    )
    cams = list(dict.fromkeys(cam for one in experiments for cam in one.cams))
    cam_keys = [f"{kind}.{cam}" for kind in ("cam_cos", "cam_ccos") for cam in cams]
    rows = [
        VerdictRow(
            one,
            method_text(one),
            one.number("accuracy"),
            [gauge(one, key) for key in attention],
            [gauge(one, key) for key in module] if any(key in one.metrics for key in module) else [],
            [gauge(one, key) for key in cam_keys],
            compare(one, twin) if (twin := twins[one.name]) is not None else None,
        )
        for one in experiments
    ]
    names = list(dict.fromkeys(twin.name for twin in twins.values() if twin is not None))
    sentences = [*findings(rows), *remarks(rows)]
    heads = {key: look_up(key)[1] for key in ("accuracy", *attention, *module, *cam_keys)}
    plain = any(not one.config.guidance for one in experiments)
    return Verdict(dataset, attention, module, cam_keys, heads, rows, names, plain, sentences)


def gauge(experiment: Experiment, key: str) -> Gauge:
    """Put a score beside those of maps that nobody had to learn, on the same grid."""
    number = experiment.number
    return Gauge(
        key,
        number(key),
        best_blind(experiment, key).score,
        number(reference_metric(experiment, "baseline.class_mean", key)),
        number(reference_metric(experiment, "ceiling", key)),
        TOO_COARSE if is_too_coarse(experiment, key) else "",
    )


def method_text(experiment: Experiment) -> str:
    """Describe an experiment's guidance in a few words."""
    terms = [
        f"{term.cue} · {term.loss} · {_source_text(term)} · weight {term.weight:g}"
        + (f" · landmark noise {term.landmark_noise:g}" if term.landmark_noise else "")
        for term in experiment.config.guidance
    ]
    return " + ".join(terms) or "no guidance"


def _source_text(term: GuidanceConfig) -> str:
    """Name the attention that a term guides."""
    if term.source == "features":
        return f"layer{'' if len(term.layers) == 1 else 's'} {', '.join(term.layers)}"
    return {"cam": "class map", "module": "head’s own map"}[term.source]


def findings(rows: Sequence[VerdictRow]) -> list[Sentence]:
    """Put the paired comparisons into words; where there are many, one sentence has them all."""
    compared = [(row.experiment.name, row.comparison) for row in rows if row.comparison]
    if len(compared) <= MAX_WORDED:
        return [Sentence([name], finding(comparison)) for name, comparison in compared]
    guided = [row.comparison for row in rows if row.comparison and row.experiment.config.guidance]
    summary = summary_sentence(guided)
    return [Sentence([], summary)] if summary else []


def remarks(rows: Sequence[VerdictRow]) -> list[Sentence]:
    """Say what holds of single experiments, one sentence for all of which the same holds.

    First whether they look at action units, then what beats them without looking, then what limits their scores.
    """
    kinds: tuple[dict[Remark, list[str]], ...] = ({}, {})
    for row in rows:
        one = row.experiment
        if (answer := looking(one)) is not None:
            kinds[0].setdefault(answer, []).append(one.name)
        current = [not_current(one.change)] if one.change else []
        for remark in (*weaknesses(one), *current, *limits(one)):
            kinds[1].setdefault(remark, []).append(one.name)
    ordered = [(one, kinds[0][one]) for one in (LOOKS, LOOKS_NOT) if one in kinds[0]]
    return [_about(remark, names, len(rows)) for remark, names in (*ordered, *kinds[1].items())]


def _about(remark: Remark, names: list[str], count: int) -> Sentence:
    """Name the experiments of a sentence, or only their number where they are many."""
    if len(names) <= MAX_WORDED:
        return Sentence(names, remark.of(len(names)))
    return Sentence([], f"{len(names)} of {count} experiments {remark.many}")


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
        table[family].rows.append(MetricRow(key, meaning, [_metric(one, key) for one in experiments]))
    return [family for family in table.values() if family.rows]


def _metric(experiment: Experiment, key: str) -> Metric:
    """Read a metric; one that proves nothing is marked."""
    value = experiment.metrics.get(key)
    marked = isinstance(value, float) and is_too_coarse(experiment, key)
    return f"{value:.3f} ({TOO_COARSE})" if marked else value


def cross_table(project: Project) -> CrossTable | None:
    """Tabulate scores on other data sets; None if ``params.yaml`` names none."""
    if not project.cross:
        return None
    keys = [key for key in GROUP_METRICS if any(key in one.metrics for one in project.cross)]
    tied = by_group(project.cross, lambda one: (one.config.group, one.dataset) if one.config.group else None)
    groups = [
        GroupRow(f"{group} on {dataset}", [one.entry.experiment for one in members], group_spreads(members, keys))
        for (group, dataset), members in tied.items()
    ]
    rows = []
    for one in project.cross:
        twin = plain_twin(one, [other for other in project.cross if other.dataset == one.dataset])
        scores = [Estimate(one.number(key), *one.interval(key)) for key in keys]
        rows.append(CrossRow(one, scores, compare(one, twin) if twin is not None else None))
    return CrossTable(keys, rows, groups)


EXTERNAL_METRICS = ("accuracy", "att_cos", "att_ccos", "att_auc", "att_class_rank", "region.background")


def external_rows(project: Project) -> list[ExternalRow]:
    """Tabulate the scores of maps that were made elsewhere."""
    rows = []
    for one in project.external:
        fresh = one.is_of(project.datasets[one.dataset].content_hashes())
        scores = [read_estimate(one.metrics, key) for key in EXTERNAL_METRICS]
        rows.append(ExternalRow(one.name, f"{one.dataset}, {one.metrics.get('external.split')}", fresh, scores))
    return rows


def published_table(project: Project) -> PublishedTable | None:
    """Put published numbers beside ours; None where there is no file of them, or none is about an experiment."""
    if project.published is None:
        return None
    scores = published_scores(project.published, project.params, project.experiments)
    images = {one.name: len(one.results) for one in project.experiments}
    counts = [", ".join(dict.fromkeys(str(images[name]) for name in one.members)) for one in scores]
    source = " ".join(project.published.source.split()).rstrip(".")
    return PublishedTable(source, list(zip(scores, counts, strict=True))) if scores else None

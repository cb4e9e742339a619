"""Tables in Markdown: means over seeds, and below them the differences to the group without guidance."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.guidance.estimates import Estimate
from benchmarks.guidance.groups import Family, Group, curve_name
from benchmarks.guidance.scores import (
    HEADLINE,
    KEPT,
    RELIANCE,
    TURNED,
    Score,
    audit_gains,
    audited_maps,
    likeness_of_fresh,
    survives,
)
from fer_au.evaluation.bootstrap import holm
from fer_au.evaluation.power import LEVEL

NOTES = """\
Means over seeds, and below them paired differences, each with its 95 % interval: of means over seeds (Student), of
differences over seeds and test images (a crossed design of random effects), or over seeds alone in columns with `†`.
Bold: p < .05 after Holm's correction over all differences of the table. In parentheses: the smallest difference that
would have been found with 80 % power, where none was found. `-`: not measured, or no seed in common. Intervals of a
single seed cover its images alone. Accuracies, what is kept of them, and reliance are in %. Audits: what a map gains
over a Gaussian in the middle by deletion, insertion and ROAD, bold where the interval lies above 0; and its rank
correlation with the map of the same network with fresh weights."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its head.
        score: What stands in it.
        groups: Row -> the group whose score stands there; absent where there is none.
    """

    title: str
    score: Score
    groups: Mapping[str, Group]


def family_tables(family: Family) -> str:
    """Write the tables of groups that are compared with each other."""
    sections = {
        "On the test images as they are": HEADLINE,
        "Turned heads: accuracy": TURNED,
        "Disturbed images: share of the accuracy that is kept": KEPT,
        "What answers rely on": RELIANCE,
    }
    lines = [f"## {family.title}", "", *_seeds(family)]
    rows = {group.name: group for group in family.groups}
    reference = family.reference.name if family.reference else None
    for title, scores in sections.items():
        columns = [Column(score.title, score, rows) for score in scores if _is_measured(score, family)]
        if columns:
            lines += ["", f"### {title}", "", *_table(columns, list(rows), reference)]
    if maps := audited_maps(family.groups):
        lines += ["", "### Audits of the maps", "", *_audit_table(family, maps)]
    return "\n".join(lines)


def fraction_table(title: str, methods: Sequence[Sequence[Group]], score: Score) -> str:
    """Write the scores of methods over the shares of the training faces, and what each gains at each share."""
    shares = sorted({group.train.fraction for groups in methods for group in groups})
    named = {curve_name(groups): groups for groups in methods}
    columns = [
        Column(
            f"{share:.0%}",
            score,
            {name: group for name, groups in named.items() for group in groups if group.train.fraction == share},
        )
        for share in shares
    ]
    reference = next((name for name, groups in named.items() if groups[-1].is_plain), None)
    lines = [f"## {title}: {score.title} by the share of the training faces", ""]
    return "\n".join([*lines, *_table(columns, list(named), reference)])


def _seeds(family: Family) -> list[str]:
    lines = []
    for group in family.groups:
        images = {len(run.result.results) for run in group.runs.values()}
        waiting = f"; waiting: {', '.join(group.waiting)}" if group.waiting else ""
        counts = " or ".join(str(count) for count in sorted(images))
        lines.append(f"- `{group.name}` ({group.method}): {', '.join(group.runs)}; {counts} test images{waiting}")
    return lines


def _is_measured(score: Score, family: Family) -> bool:
    return any(math.isfinite(score.number(run)) for group in family.groups for run in group.runs.values())


def _table(columns: Sequence[Column], rows: Sequence[str], reference: str | None) -> Iterator[str]:
    gaps: dict[tuple[str, int], Estimate] = {}
    for row in rows:
        for place, column in enumerate(columns):
            plain = column.groups.get(reference or "")
            if plain is not None and row != reference and row in column.groups:
                gaps[row, place] = column.score.gap(column.groups[row], plain)
    alone = {place for (_, place), one in gaps.items() if math.isfinite(one.value) and not one.images}
    yield from _head(["", *(f"{one.title}{' †' if place in alone else ''}" for place, one in enumerate(columns))])
    for row in rows:
        found = [(one.score, one.score.mean(one.groups[row])) if row in one.groups else None for one in columns]
        yield _row([row, *("-" if one is None else _mean_text(one[1], one[0]) for one in found)])
    corrected = dict(zip(gaps, holm([one.p for one in gaps.values()]), strict=True))
    for row in rows:
        if any(key[0] == row for key in gaps):
            places = [(row, place) for place in range(len(columns))]
            cells = [
                _gap_text(gaps[key], corrected[key], columns[key[1]].score) if key in gaps else "-" for key in places
            ]
            yield _row([f"*{row} − {reference}*", *cells])


def _audit_table(family: Family, maps: Sequence[str]) -> Iterator[str]:
    """Write a row for each map of each group: gains, bold where the interval lies above 0, and fresh weights."""
    heads = [*(score.title for score in audit_gains("")), likeness_of_fresh("").title]
    yield from _head(["", "map", *heads])
    for group in family.groups:
        for name in maps:
            gains = [(score.mean(group), score) for score in audit_gains(name)]
            cells = [f"**{_mean_text(one, of)}**" if one.low > 0 else _mean_text(one, of) for one, of in gains]
            fresh = _mean_text(likeness_of_fresh(name).mean(group), likeness_of_fresh(name))
            mark = " (survives)" if survives(name, group) else ""
            yield _row([group.name, "attention" if name == "att" else name.removeprefix("cam."), *cells, fresh + mark])


def _head(cells: Sequence[str]) -> list[str]:
    return [_row(cells), "|---" * len(cells) + "|"]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float, score: Score, sign: str = "") -> str:
    text = format(100 * value, f"{sign}.1f") if score.percent else format(value, f"{sign}.3f")
    return (text if score.percent else re.sub(r"(?<!\d)0\.", ".", text)).replace("-", "−")


def _mean_text(found: Estimate, score: Score) -> str:
    if not math.isfinite(found.value):
        return "-"
    if not math.isfinite(found.low):
        return _number(found.value, score)
    return f"{_number(found.value, score)} [{_number(found.low, score)}, {_number(found.high, score)}]"


def _gap_text(found: Estimate, p: float, score: Score) -> str:
    if not math.isfinite(found.value):
        return "-"
    text = _number(found.value, score, "+")
    if math.isfinite(found.low):
        text += f" [{_number(found.low, score, '+')}, {_number(found.high, score, '+')}]"
    if p < LEVEL:
        return f"**{text}**"
    return f"{text} ({_number(found.detectable, score)})" if math.isfinite(found.detectable) else text


def page(families: Sequence[Family], curves: Mapping[str, Sequence[Sequence[Group]]]) -> str:
    """Write all tables, and how to read them."""
    parts = [NOTES, *(family_tables(family) for family in families)]
    parts += [fraction_table(title, methods, score) for title, methods in curves.items() for score in HEADLINE[:2]]
    return "\n\n".join(parts) + "\n"

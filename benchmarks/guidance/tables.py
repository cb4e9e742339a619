"""Tables in Markdown: means over seeds, and below them the differences to the group without guidance."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.guidance.estimates import Estimate
from benchmarks.guidance.groups import Family, Group
from benchmarks.guidance.scores import HEADLINE, KEPT, RELIANCE, TURNED, Score, audit_scores
from fer_au.evaluation.bootstrap import holm
from fer_au.evaluation.power import LEVEL

NOTES = """\
Means over seeds, and below them paired differences, each with its 95 % interval: of means over seeds (Student), of
differences over seeds and test images (a crossed design of random effects), or over seeds alone in columns with `†`.
Bold: p < .05 after Holm's correction over all differences of the table. In parentheses: the smallest difference that
would have been found with 80 % power, where none was found. `-`: not measured, or no seed in common. A single seed has
no interval, and its difference covers images alone. Accuracies, what is kept of them, and reliance are in %."""


def family_tables(family: Family) -> str:
    """Write the tables of groups that are compared with each other."""
    sections = {
        "On the test images as they are": HEADLINE,
        "Turned heads: accuracy": TURNED,
        "Disturbed images: share of the accuracy that is kept": KEPT,
        "What answers rely on": RELIANCE,
        "Maps beside a Gaussian: gains of the audits": audit_scores(family.groups),
    }
    lines = [f"## {family.title}", "", *_seeds(family)]
    for title, scores in sections.items():
        shown = [score for score in scores if _is_measured(score, family)]
        if shown:
            lines += ["", f"### {title}", "", *_table(family, shown)]
    return "\n".join(lines)


def fraction_table(title: str, methods: Sequence[Sequence[Group]], score: Score = HEADLINE[0]) -> str:
    """Write the scores of methods over the shares of the training faces."""
    shares = sorted({group.train.fraction for groups in methods for group in groups})
    lines = [f"## {title}: {score.title} by the share of the training faces", ""]
    lines += _head(["", *(f"{share:.0%}" for share in shares)])
    for groups in methods:
        found = {group.train.fraction: score.mean(group) for group in groups}
        cells = [_mean_text(found[share], score) if share in found else "-" for share in shares]
        lines.append(_row([groups[-1].name, *cells]))
    return "\n".join(lines)


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


def _table(family: Family, scores: Sequence[Score]) -> Iterator[str]:
    reference = family.reference
    others = [group for group in family.groups if reference is not None and group is not reference]
    gaps: dict[tuple[str, str], Estimate] = {
        (group.name, score.key): score.gap(group, reference) for group in others for score in scores if reference
    }
    alone = {key for (_, key), one in gaps.items() if math.isfinite(one.value) and not one.images}
    yield from _head(["", *(f"{score.title}{' †' if score.key in alone else ''}" for score in scores)])
    for group in family.groups:
        yield _row([group.name, *(_mean_text(score.mean(group), score) for score in scores)])
    corrected = dict(zip(gaps, holm([one.p for one in gaps.values()]), strict=True))
    for group in others:
        cells = [_gap_text(gaps[group.name, one.key], corrected[group.name, one.key], one) for one in scores]
        yield _row([f"*{group.name} − {reference.name if reference else ''}*", *cells])


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
    parts += [fraction_table(title, methods) for title, methods in curves.items()]
    return "\n\n".join(parts) + "\n"

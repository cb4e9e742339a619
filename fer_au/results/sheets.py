"""Lay out the table of results in columns of words and numbers, with headings and rounded values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fer_au.results.groups import Spread
from fer_au.results.remarks import Remark, enumerate_names, not_current
from fer_au.results.table import Row, Table
from fer_au.terminal import counted

NOTHING = "–"
CHANGED = "†"
"""Mark of a row whose settings in ``params.yaml`` have changed since."""

PERCENT = ("accuracy", "balanced_accuracy", "macro_f1")
_MAPS = (
    "The last rows are no models but a map of ones (blank map), a Gaussian in the middle of the crop, a mask of the "
    "face, all action units on this very face, the mean AU map of the true class (class mean), and the AU map itself "
    "(ceiling), each through the last layer's grid; only the last two know the expression."
)
_MOST_NAMES = 6
_DIGITS = {"n": 0, "n_cos": 0, "seed": 0, "train_images_per_second": 0}
_HEADS = {"balanced_accuracy": "balanced", "macro_f1": "macro F1", "att_class_rank": "class rank"}


@dataclass(frozen=True)
class Sheet:
    """Cells in rows and columns.

    Attributes:
        title: Title; empty for the main sheet.
        head: Headings; the first column holds names.
        rows: Cells of each row.
        states: Row number -> words that stand in place of its cells, after the name.
        words: Number of columns of words, which come first; the others hold numbers, aligned right.
        references: Number of rows of references, which come last.
    """

    title: str
    head: list[str]
    rows: list[list[str]]
    states: dict[int, str]
    words: int = 1
    references: int = 0


Column = tuple[str, Callable[[Row], str]]


def sheets(table: Table) -> list[Sheet]:
    """Lay the table out: experiments or groups, models on other data sets, and published numbers one by one."""
    first, columns = "group" if table.grouped else "experiment", list(_columns(table, table.rows))
    laid = [_sheet("", first, table.rows, table.references, columns)]
    if table.cross:
        columns = list(_columns(table, table.cross, cross=True))
        laid.append(_sheet("Models on other data sets", "cross", table.cross, table.cross_references, columns))
    if any(_tells_more(row) for row in table.rows):
        laid.append(_published_sheet(table))
    return laid


def remarks(table: Table) -> list[str]:
    """List the remarks that a reader of the table needs, each a sentence."""
    single = [row for row in table.rows if row.members == 1 and not row.state]
    percent = [_head(key).capitalize() if key == PERCENT[0] else _head(key) for key in table.keys if key in PERCENT]
    found = [Remark("is in %.", "are in %.").about(percent)]
    if table.grouped and any(row.members > 1 for row in (*table.rows, *table.cross)):
        found.append("Scores are mean ± standard deviation over the runs, and n counts each image once.")
    if any(math.isfinite(row.interval[0]) for row in single):
        found.append("The 95 % interval of the accuracy is a bootstrap over images.")
    if any(math.isnan(row.interval[0]) for row in single):
        found.append(
            "Where all answers are right, or wrong, there is no interval, though other images may well differ."
        )
    if table.references or table.cross_references:
        found.append(_MAPS)
    if any(row.published for row in table.rows):
        found.append(f"The published numbers come from {' '.join(table.source.split()).rstrip('.')}.")
    several = [row.name for row in table.rows if sum("accuracy" in one.metrics for one in row.published) > 1]
    if several:
        found.append(f"The published accuracy of {enumerate_names(several)} is the mean of several published ones.")
    rows = (*table.rows, *table.cross)
    for change in dict.fromkeys(row.change.text() for row in rows if row.change):
        changed = [row for row in rows if row.change and row.change.text() == change]
        found.append(f"{CHANGED} {_sentence(not_current(changed[0].change), changed)}")
    for caveat in dict.fromkeys(remark for row in rows for remark in row.caveats):
        found.append(_sentence(caveat, [row for row in rows if caveat in row.caveats]))
    if count := len(table.other_groups):
        found.append(f"Numbers were published of {counted(count, 'group')}, which --group shows.")
    return found


def _sentence(remark: Remark, rows: Sequence[Row]) -> str:
    names = [row.name for row in rows]
    return remark.about(names) if len(names) <= _MOST_NAMES else f"{len(names)} rows {remark.many}"


def _columns(table: Table, rows: Sequence[Row], *, cross: bool = False) -> Iterator[Column]:
    if cross or len({row.dataset for row in rows}) > 1:
        yield "data set", lambda row: row.dataset
    if table.grouped:
        yield "runs", _runs
    for key in table.keys:
        yield _head(key), lambda row, key=key: _score(row, key)  # type: ignore[misc]
        if key == "accuracy" and any(math.isfinite(row.interval[0]) for row in rows):
            yield "95 % interval", _interval
    yield "n", lambda row: NOTHING if row.images is None else str(row.images)
    if any(math.isfinite(row.published_number("accuracy")) for row in rows):
        yield "published", lambda row: number("accuracy", row.published_number("accuracy"))
        yield "difference", lambda row: difference("accuracy", row.number("accuracy"), row.published_number("accuracy"))


def _sheet(title: str, first: str, rows: Sequence[Row], references: Sequence[Row], columns: Sequence[Column]) -> Sheet:
    head = [first, *(name for name, _ in columns)]
    cells = [[_name(row), *(cell(row) for _, cell in columns)] for row in (*rows, *references)]
    states = {place: row.state for place, row in enumerate(rows) if row.state}
    return Sheet(title, head, cells, states, 1 + ("data set" in head), len(references))


def _name(row: Row) -> str:
    return f"{row.name} {CHANGED}" if row.change else row.name


def _tells_more(row: Row) -> bool:
    """Tell whether a row has published numbers that the main table doesn't show."""
    return len(row.published) > 1 or any(key != "accuracy" for one in row.published for key in one.metrics)


def _published_sheet(table: Table) -> Sheet:
    first = "group" if table.grouped else "experiment"
    cells = [
        [
            _name(row),
            " ".join(one.row.split()),
            key,
            number(key, row.number(key)),
            number(key, value),
            difference(key, row.number(key), value),
        ]
        for row in table.rows
        for one in row.published
        for key, value in one.metrics.items()
    ]
    return Sheet("Published", [first, "row", "metric", "here", "published", "difference"], cells, {}, words=3)


def _head(key: str) -> str:
    return _HEADS.get(key, key)


def _runs(row: Row) -> str:
    if not row.members:
        return NOTHING
    return f"{row.runs}" if row.runs == row.members else f"{row.runs} of {row.members}"


def _score(row: Row, key: str) -> str:
    if key in row.texts:
        return row.texts[key]
    spread = row.scores.get(key, Spread(math.nan, math.nan, 0))
    text = number(key, spread.mean)
    return f"{text} ± {number(key, spread.deviation)}" if math.isfinite(spread.deviation) else text


def _interval(row: Row) -> str:
    low, high = (value * 100 for value in row.interval)
    return f"{low:.1f}–{high:.1f}" if math.isfinite(low) else NOTHING


def in_percent(key: str) -> bool:
    """Tell whether a metric is printed in percent: recognition, of all images or of a slice.

    Example:
        >>> in_percent("accuracy"), in_percent("slice.pose.over_30.accuracy"), in_percent("att_cos")
        (True, True, False)
    """
    return key in PERCENT or (key.startswith("slice.") and key.rpartition(".")[2] in PERCENT)


def number(key: str, value: float) -> str:
    """Format a metric as papers print it: recognition in percent with two digits, scores of maps with three.

    Example:
        >>> number("accuracy", 0.8709), number("att_cos", 0.85), number("n", 110.0), number("att_cos", math.nan)
        ('87.09', '0.850', '110', '–')
    """
    if not math.isfinite(value):
        return NOTHING
    if in_percent(key):
        value, digits = value * 100, 2
    else:
        digits = _DIGITS.get(key, 3)
    return f"{round(value, digits) + 0.0:.{digits}f}"


def difference(key: str, here: float, published: float) -> str:
    """Format the difference of a metric from the published value, with its sign, in the units of ``number``."""
    gap = here - published
    text = number(key, gap)
    return text if text == NOTHING or text.startswith("-") else f"+{text}"

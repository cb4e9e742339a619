"""Write the table of results for a terminal, and as csv, GitHub's Markdown and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from fer_au.atomic import write_atomically
from fer_au.csv_files import harmless, write_csv
from fer_au.results.sheets import NOTHING, Sheet, remarks, sheets
from fer_au.results.table import Row, Table
from fer_au.terminal import GAP, divide_columns, join_cells, wrap


def write_table_csv(path: Path, table: Table) -> None:
    """Write the table as csv, one line per experiment, group and ``cross`` entry.

    Values are those of the metrics files (accuracies from 0 to 1), under the metrics' own keys. ``<key>_sd`` is the
    deviation over a group's runs, ``published.<key>`` the published value, ``difference.<key>`` the value minus the
    published value; ``baseline...`` and ``ceiling...`` are the references of the line's own test images. ``changed``
    lists keys of ``params.yaml`` with another value than the line was computed with, and files that were made anew
    since. Empty cells are undefined.

    Raises:
        StoreError: The file can't be written.
    """
    published = list(dict.fromkeys(key for row in table.rows for one in row.published for key in one.metrics))
    lines = []
    for kind, rows in (("group" if table.grouped else "experiment", table.rows), ("cross", table.cross)):
        lines += [{"name": row.name, "kind": kind, **_values(row, table, published)} for row in rows]
    head = list(dict.fromkeys(key for line in lines for key in line))
    write_csv(path, head, [[harmless(line.get(key, "")) for key in head] for line in lines])


def _values(row: Row, table: Table, published: Sequence[str]) -> dict[str, str]:
    changed = "; ".join([*row.change.keys, *row.change.others, *row.change.files])
    values = {"dataset": row.dataset, "state": row.state or "evaluated", "changed": changed}
    if table.grouped:
        values |= {"runs": str(row.runs), "members": str(row.members)}
    values["n"] = "" if row.images is None else str(row.images)
    for key in table.keys:
        values[key] = row.texts.get(key) or _plain(row.number(key))
        if table.grouped:
            values[f"{key}_sd"] = _plain(row.scores[key].deviation if key in row.scores else math.nan)
        if key == "accuracy":
            values |= {"accuracy_low": _plain(row.interval[0]), "accuracy_high": _plain(row.interval[1])}
    for key in table.reference_keys:
        values[key] = _plain(row.number(key))
    for key in published:
        there = row.published_number(key)
        values |= {f"published.{key}": _plain(there), f"difference.{key}": _plain(row.number(key) - there)}
    return values


def _plain(value: float) -> str:
    return f"{round(value, 6) + 0.0:.12g}" if math.isfinite(value) else ""


def table_text(table: Table, width: int) -> str:
    """Format the table for a terminal; columns that don't fit beside the others go below them.

    Args:
        table: Table of results.
        width: Characters of a line.
    """
    parts = [_text(sheet, width) for sheet in sheets(table)]
    notes = [wrap(remark, width, hanging=GAP) for remark in remarks(table)]
    return "\n\n".join([*parts, "\n".join(notes)])


def _text(sheet: Sheet, width: int) -> str:
    lengths = [
        max(len(row[place]) for number, row in enumerate([sheet.head, *sheet.rows]) if number - 1 not in sheet.states)
        for place in range(len(sheet.head))
    ]
    lengths[0] = max(len(row[0]) for row in [sheet.head, *sheet.rows])
    lines: list[str] = [sheet.title] if sheet.title else []
    for number, places in enumerate(divide_columns(lengths, width)):
        lines += [""] * bool(number)
        lines.append(join_cells(sheet.head, lengths, places, sheet.words))
        for place, row in enumerate(sheet.rows):
            state = sheet.states.get(place)
            if state is None:
                lines.append(join_cells(row, lengths, places, sheet.words))
            elif number == 0:
                lines.append(f"{row[0]:<{lengths[0]}}{GAP}{state}")
    return "\n".join(lines)


def write_table_markdown(path: Path, table: Table) -> None:
    """Write the table in GitHub's Markdown.

    Raises:
        StoreError: The disk refuses.
    """
    parts = ["\n".join(_markdown(sheet)) for sheet in sheets(table)]
    parts.append("\n".join(f"* {remark}" for remark in remarks(table)))
    write_atomically(path, ("\n\n".join(parts) + "\n").encode())


def _markdown(sheet: Sheet) -> Iterator[str]:
    if sheet.title:
        yield from (f"**{sheet.title}**", "")
    yield _markdown_line(sheet.head)
    yield "|".join(["", *["---"] * sheet.words, *["---:"] * (len(sheet.head) - sheet.words), ""])
    models = len(sheet.rows) - sheet.references
    for place, (first, *others) in enumerate(_filled(sheet)):
        yield _markdown_line([first if place < models else f"*{first}*", *others])


def _markdown_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _filled(sheet: Sheet) -> Iterator[list[str]]:
    """List the rows, each with all its cells."""
    for place, row in enumerate(sheet.rows):
        state = sheet.states.get(place)
        yield row if state is None else [row[0], state, *[NOTHING] * (len(row) - 2)]


def write_table_latex(path: Path, table: Table) -> None:
    """Write the table as LaTeX tabulars with the rules of the package booktabs.

    Raises:
        StoreError: The disk refuses.
    """
    lines = ["% needs \\usepackage{booktabs}", *(f"% {remark}" for remark in remarks(table))]
    for sheet in sheets(table):
        lines += [f"% {sheet.title}"] if sheet.title else []
        lines += [
            f"\\begin{{tabular}}{{{'l' * sheet.words}{'r' * (len(sheet.head) - sheet.words)}}}",
            "\\toprule",
            _latex_line(sheet.head),
        ]
        rows = list(map(_latex_line, _filled(sheet)))
        end = len(rows) - sheet.references
        lines += ["\\midrule", *rows[:end], *(["\\midrule"] if sheet.references else []), *rows[end:]]
        lines += ["\\bottomrule", "\\end{tabular}"]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


_LATEX = {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "±": "$\\pm$",
    "–": "--",
    "†": "$\\dagger$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex, cells)) + " \\\\"


def _latex(text: str) -> str:
    escaped = "".join(_LATEX.get(sign, sign) for sign in text)
    return f"${escaped}$" if escaped[:1] in "+-" and escaped[1:].replace(".", "", 1).isdigit() else escaped

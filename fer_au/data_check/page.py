"""A look at a folder as a page for people, about a screen long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fer_au.config.place import find_project
from fer_au.data_check.entry import first_experiment, write_entry
from fer_au.data_check.result import Copies, Counts, DataCheck, Fit, Frame, Guess, Pictures, Problem
from fer_au.datasets.files import printable
from fer_au.terminal import counted, wrap
from fer_au.yaml_files import dump_inline

_INDENT = "  "
_DEEP = "    "
_WIDEST = 110


def write_page(check: DataCheck, width: int) -> str:
    """Write the page.

    Args:
        check: What the look gave.
        width: Characters of a line; the entry keeps its own lines.
    """
    width = min(width, _WIDEST)
    blocks = [_recognised(check, width)]
    if check.counts is not None:
        blocks.append(_counts(check.counts, width))
    facts: list[str] = []
    if check.pictures is not None:
        facts.append(_paragraph(_pictures(check.pictures), width))
    if check.copies is not None and check.pictures is not None:
        facts += _copies(check.copies, check.pictures, width)
    if check.frame is not None:
        facts += [_paragraph(line, width) for line in _frame(check.frame)]
    blocks += [facts, _problems(check.problems, width)] if check.counts is not None else []
    if check.usable:
        blocks += _next_steps(check, width)
    return printable("\n\n".join("\n".join(block) for block in blocks if block))


def _next_steps(check: DataCheck, width: int) -> list[list[str]]:
    """Say what to write where, and what to run: the entry, and a first experiment on it."""
    where = "" if find_project(Path.cwd()) else " of a project, which is a clone of fer_au's repository"
    experiment, text = first_experiment(check.name, check.counts.folds if check.counts else ())
    runs = (
        f"then `fer-au check-params`, and `dvc repro evaluate@{experiment}` prepares the faces, trains and scores; "
        "`dvc repro` runs all that params.yaml names, and writes report/index.html"
    )
    return [
        [_paragraph(f"into params.yaml{where}; where it has a section, the lines go below that one's first:", width)],
        [write_entry(check.name, check.entry), text],
        [_paragraph(runs, width)],
    ]


def _paragraph(text: str, width: int, indent: str = "") -> str:
    return wrap(text, width, indent, f"{indent}{_INDENT}")


def _recognised(check: DataCheck, width: int) -> list[str]:
    if not check.fits:
        return [check.root]
    best, *others = check.fits
    lines = [_paragraph(f"{check.root}: adapter {_title(best)}", width)]
    if best.guesses:
        lines.append("guessed, so look whether it is right (another value by --set KEY=VALUE):")
        lines += [_paragraph(_guess(guess), width, _INDENT) for guess in best.guesses]
    lines += [_paragraph(doubt, width, _INDENT) for doubt in best.doubts]
    if fitting := [f"{_title(fit)}: {_faces(fit.faces)}" for fit in others if not fit.fault]:
        lines.append(_paragraph(f"fits, too: adapter {'; '.join(fitting)}", width, _INDENT))
    if unfit := [_title(fit) for fit in others if fit.fault]:
        lines.append(_paragraph(f"tried, and doesn't fit: {'; '.join(unfit)} (--json says why)", width, _INDENT))
    return lines


def _title(fit: Fit) -> str:
    return f"{fit.adapter}, by {fit.settings['labels']}" if "labels" in fit.settings else fit.adapter


def _guess(guess: Guess) -> str:
    return f"{guess.key}: {dump_inline(guess.value)} ({guess.why})"


def _faces(number: int) -> str:
    return counted(number, "face")


def _counts(counts: Counts, width: int) -> list[str]:
    """Lay out the numbers of faces: a line for each class, a column for each split."""
    splits = list(counts.faces)
    labels = list(dict.fromkeys(label for numbers in counts.faces.values() for label in numbers))
    table = [["faces", *splits, "all"]]
    for label in labels:
        numbers = [counts.faces[split][label] for split in splits]
        table.append([label, *map(str, numbers), str(sum(numbers))])
    totals = [sum(counts.faces[split].values()) for split in splits]
    table.append(["all", *map(str, totals), str(sum(totals))])
    first = max(len(cells[0]) for cells in table)
    lines = [cells[0].ljust(first) + "".join(cell.rjust(8) for cell in cells[1:]) for cells in table]
    told = [f"{counted(counts.persons, 'person')}" if counts.persons else "persons aren't known; see subject_pattern"]
    if counts.folds:
        told.append(f"{len(counts.folds)} folds")
    if counts.drawn:
        told.append(f"{' and '.join(counts.drawn)} drawn by ingest")
    return [*lines, _paragraph("; ".join(told), width)]


def _pictures(pictures: Pictures) -> str:
    sizes = _size(pictures.smallest)
    if pictures.smallest != pictures.largest:
        sizes = f"{sizes} to {_size(pictures.largest)}, median {_size(pictures.median)}"
    opened = "all opened" if pictures.opened >= pictures.listed else f"{pictures.opened} opened (--full opens all)"
    among = "" if pictures.described >= pictures.opened else f" (of {pictures.described})"
    looks = f"{_shares(pictures.formats)}; {_shares(pictures.colours)}{among}"
    return f"pictures: {pictures.listed}, {opened}; {sizes} px; {looks}"


def _size(size: Sequence[int]) -> str:
    return "x".join(map(str, size))


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_percent(share)}" for name, share in shares.items())


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def _copies(copies: Copies, pictures: Pictures, width: int) -> Iterator[str]:
    among = (
        "" if copies.near_among >= pictures.listed else f" among the {copies.near_among} opened (--full compares all)"
    )
    numbers = [(copies.exact, "of the same bytes as others"), (copies.near, f"of one photograph by other bytes{among}")]
    found = [f"{_faces(number)} {what}" for number, what in numbers if number]
    leaking = f"; {copies.leaking} groups lie in two splits or folds" if copies.leaking else ""
    none = f"none, neither the same bytes nor one photograph by other bytes{among}"
    yield _paragraph(f"copies: {', '.join(found) or none}{leaking}", width)
    yield from (_paragraph(line, width, _INDENT) for line in copies.lines)
    if copies.leaking:
        yield _paragraph("on_leak: drop-from-train leaves such faces out of training", width, _INDENT)


def _frame(frame: Frame) -> Iterator[str]:
    found = ", ".join(f"{name} {number}" for name, number in frame.found.items()) or "no detector"
    absent = f"; not installed: {', '.join(frame.missing)}" if frame.missing else ""
    yield f"faces found in {counted(frame.pictures, 'picture')}: {found}{absent}"
    if frame.face is None:
        return
    if frame.aligned:
        yield (
            f"aligned already: faces lie within {frame.shift} inter-ocular distances and {frame.tilt} degrees of one "
            "place (medians), so the pictures stay as they are"
        )
        return
    shares = ", ".join(f"{template} {_percent(share)}" for template, share in frame.outside.items())
    yield (
        f"not aligned: a face is {_percent(frame.face)} as wide as its picture's shorter side; outside its picture "
        f"lies of a crop: {shares} (medians, by {frame.detector})"
    )


def problem_line(problem: Problem) -> str:
    """Word a problem with what to do, without examples, as one line."""
    title = f"{problem.count} {problem.kind}: {problem.text}" if problem.count else problem.text
    return f"{title}; {problem.remedy}" if problem.remedy else title


def _problems(problems: Sequence[Problem], width: int) -> list[str]:
    if not problems:
        return ["problems: none"]
    lines = ["problems:"]
    for problem in problems:
        lines.append(_paragraph(problem_line(problem), width, _INDENT))
        if problem.examples:
            more = ", ..." if problem.count > len(problem.examples) else ""
            lines.append(_paragraph(f"{', '.join(problem.examples)}{more}", width, _DEEP))
    return lines

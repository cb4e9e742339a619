"""Write what is known of one face for a terminal: a line for each fact, and a table of the models' answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from fer_au.report.face_facts import face_facts
from fer_au.report.face_record import FaceAnswer, FaceRecord
from fer_au.results.changes import shorten
from fer_au.terminal import divide_columns, join_cells, wrap

NOTHING = "–"
_WORDS = 3  # columns of words of the table
_COLUMNS = "p is the probability of the answer; then follow that of every class, and the scores of this face alone."


def face_text(record: FaceRecord, width: int) -> str:
    """Write what is known of a face.

    Args:
        record: The face.
        width: Characters of a line.
    """
    facts = face_facts(record)
    longest = max(len(fact.name) for fact in facts)
    lines = [wrap(f"{record.row.id} of data set {record.dataset}", width)]
    lines += [wrap(fact.text, width, f"{fact.name:<{longest}}  ", " " * (longest + 2)) for fact in facts]
    if record.answers:
        lines += ["", *answer_table(record, width)]
        lines += ["", wrap(_COLUMNS, width)]
    notes = silent_lines(record)
    lines += ["", *(wrap(note, width, "", "  ") for note in notes)] if notes else []
    return "\n".join(lines)


def silent_lines(record: FaceRecord) -> list[str]:
    """Write a line for each reason why there is no answer, or none that is up to date, with the experiments."""
    if not record.answers and not record.silent:
        return ["No experiment of params.yaml is on this data set."]
    reasons: dict[str, list[str]] = {}
    for one in record.answers:
        if one.note:
            reasons.setdefault(one.note, []).append(one.result.name)
    for name, reason in record.silent.items():
        reasons.setdefault(reason, []).append(name)
    return [f"{shorten(names)}: {reason}" for reason, names in reasons.items()]


def answer_table(record: FaceRecord, width: int) -> Iterator[str]:
    """Write the answers of the experiments, in blocks of columns that fit; a row for each experiment."""
    classes = list(dict.fromkeys(name for one in record.answers for name in one.result.classes))
    scores = _shown_scores(record.answers)
    head = ["experiment", "answer", "", "p", *classes, *scores]
    rows = [[*_words(one, record.row.label), *_numbers(one, classes, scores)] for one in record.answers]
    lengths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    for number, block in enumerate(divide_columns(lengths, width)):
        if number:
            yield ""
        words = sum(place < _WORDS for place in block)
        for row in (head, *rows):
            yield join_cells(row, lengths, block, words)


def answer_score(answer: FaceAnswer, name: str) -> float:
    """Read a score of the face; NaN where the evaluation kept none."""
    store, column = answer.result.results, f"score/{name}"
    return float(store.rows(column, answer.row, answer.row + 1)[0]) if column in store else math.nan


def _words(answer: FaceAnswer, label: str) -> list[str]:
    return [answer.result.name, answer.predicted, "right" if answer.predicted == label else "wrong"]


def _numbers(answer: FaceAnswer, classes: Sequence[str], scores: Sequence[str]) -> list[str]:
    own = answer.probabilities
    values = [max(own.values()), *(own.get(name, math.nan) for name in classes)]
    values += [answer_score(answer, name) for name in scores]
    return [f"{value:.2f}" if np.isfinite(value) else NOTHING for value in values]


def _shown_scores(answers: Sequence[FaceAnswer]) -> list[str]:
    """Choose the scores of the table: those of attention, of heads' own maps, and of each CAM."""
    wanted = ["att_cos", "att_ccos", "att_class_rank", "module.att_ccos"]
    wanted += [f"cam_ccos.{cam}" for one in answers for cam in one.result.cams]
    known = {name for one in answers for name in one.result.results.columns}
    return [name for name in dict.fromkeys(wanted) if f"score/{name}" in known]

"""Rows of the table that ``fer-au predict`` writes: one per face, and one per picture that can't be used."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence

from fer_au.csv_files import LineFeeds, harmless
from fer_au.datasets.files import printable
from fer_au.errors import ConfigError
from fer_au.predictor import Prediction
from fer_au.use.finding import FacesOf, FoundFace

FULL, GIMEFIVE = "full", "gimefive"
FORMATS = (FULL, GIMEFIVE)

FACE = ("face", "x0", "y0", "x1", "y1", "detector", "score", "predicted", "confidence")
"""Columns of a face; the probabilities of the classes follow."""
BEHIND = ("reason", "detail")
"""Columns that say why there is no answer, or no face."""

_GIMEFIVE = ("happiness", "surprise", "sadness", "anger", "disgust", "fear")
"""Classes of GiMeFive's tables, in the order of its codes."""


def header_of(form: str, classes: Sequence[str]) -> tuple[str, ...]:
    """Name the columns of a table.

    Args:
        form: ``full``, or ``gimefive``: the columns of that project's tables.
        classes: Classes of the model.

    Raises:
        ConfigError: The model lacks a class that the format needs.
    """
    if form == FULL:
        return ("path", *FACE, *classes, *BEHIND)
    if lacking := [name for name in _GIMEFIVE if name not in classes]:
        raise ConfigError(f"--format {form}: the model has no class {', '.join(lacking)}")
    return ("filepath", *_GIMEFIVE)


def lines_of(form: str, prediction: Prediction, pictures: Sequence[FacesOf]) -> str:
    """Write the rows of some pictures as CSV.

    Args:
        form: ``full`` or ``gimefive``.
        prediction: Answers for all faces of the pictures, in their order.
        pictures: What was found in each picture.
    """
    text = io.StringIO()
    writer = csv.writer(LineFeeds(text), lineterminator="\r\n")
    rows = _full(prediction, pictures) if form == FULL else _gimefive(prediction, pictures)
    writer.writerows(rows)
    return text.getvalue()


def row_numbers(prediction: Prediction, pictures: Sequence[FacesOf]) -> list[int]:
    """Give the row of each face among those of ``lines_of``, from 0: pictures without an answer have a row, too."""
    rows = 0
    numbers: list[int] = []
    for picture in pictures:
        numbers += range(rows, rows + len(picture.faces))
        rows += max(len(picture.faces), 1)
    assert len(numbers) == len(prediction)  # noqa: S101 (answers are those of the faces)
    return numbers


def _full(prediction: Prediction, pictures: Sequence[FacesOf]) -> Iterator[Sequence[str]]:
    row = 0
    for picture in pictures:
        name, why = _cell(picture.path), (picture.reason, _cell(" ".join(picture.detail.split())))
        if not picture.faces:
            yield (name, *[""] * (len(FACE) + len(prediction.classes)), *why)
        for number, face in enumerate(picture.faces):
            yield (name, *face_cells(number, face, prediction.labels[row], prediction.scores[row].tolist()), *why)
            row += 1


def face_cells(number: int, face: FoundFace, label: str, scores: Sequence[float]) -> list[str]:
    """Write the cells of a face, those of its classes included.

    Args:
        number: Number of the face in its picture, from 0.
        face: The face.
        label: Class that the model predicts.
        scores: Probability of each class.
    """
    return [
        str(number),
        *(f"{edge:.2f}" for edge in face.box),
        face.detector,
        "" if math.isnan(face.score) else f"{face.score:.4f}",
        label,
        *(f"{score:.6f}" for score in (max(scores), *scores)),
    ]


def _gimefive(prediction: Prediction, pictures: Sequence[FacesOf]) -> Iterator[Sequence[str]]:
    places = [prediction.classes.index(name) for name in _GIMEFIVE]
    row = 0
    for picture in pictures:
        if not picture.faces:
            yield (_cell(picture.path), *[""] * len(places))
        for _ in picture.faces:
            scores = prediction.scores[row].tolist()
            yield (_cell(picture.path), *(str(round(scores[place], 2)) for place in places))
            row += 1


def left_out(form: str, classes: Sequence[str]) -> list[str]:
    """List the classes of the model that the format has no column for."""
    return [name for name in classes if form == GIMEFIVE and name not in _GIMEFIVE]


def _cell(text: str) -> str:
    """Make a stranger's text fit for a table: writable as UTF-8, and no formula."""
    return harmless(printable(text))

"""Faces that a network is probed on: of all splits, with what can be asked of them, the expression or the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fer_au.batches.faces import FaceDataset
from fer_au.datasets.manifest import read_manifest
from fer_au.datasets.tally import FEW_TO_SELECT
from fer_au.errors import DataError
from fer_au.evaluation.inference import spread_rows
from fer_au.probe.logistic import Fold

Target = Literal["expression", "subject"]
SPLITS = ("train", "valid", "test")
_FOLDS = 5
_QUARTER = 4  # of a person's faces, one part in so many tests, and another chooses
_FEWEST = 3  # faces of a person: one to fit, one to choose, one to test


@dataclass(frozen=True)
class ProbedFaces:
    """Usable faces of the splits of a data set, one split after the other.

    Attributes:
        parts: Split by split: its faces, and the positions of those that take part.
        splits: (N,) split of each face.
        labels: (N,) its expression, as a position in ``classes``.
        subjects: (N,) name of its person; empty where it isn't known.
        classes: Expressions of the training faces.
        folder: Folder ``data/<key>``.
    """

    parts: tuple[tuple[FaceDataset, list[int]], ...]
    splits: NDArray[np.str_]
    labels: NDArray[np.int64]
    subjects: NDArray[np.str_]
    classes: tuple[str, ...]
    folder: Path

    def __len__(self) -> int:
        return len(self.labels)


def read_faces(
    folder: Path, image_size: int, *, fold: str | int | None, views: int, most: int | None = None
) -> ProbedFaces:
    """Read which faces there are.

    Args:
        folder: ``data/<key>``.
        image_size: Side of the images, pixels.
        fold: This fold becomes ``test``.
        views: Pictures of each face that the network takes.
        most: Largest number of faces of each split, spread evenly over it; default all.

    Raises:
        DataError: Files are missing or damaged, or a split has no face; the message says what to run or to set.
    """
    if not (folder / "heatmaps.h5").exists():
        raise DataError(f"{folder / 'heatmaps.h5'}: no such file; run `dvc repro heatmaps@{folder.name}`")
    train = FaceDataset(folder, "train", image_size, fold=fold, views=views)
    others = [FaceDataset(folder, split, image_size, train.classes, fold=fold, views=views) for split in SPLITS[1:]]
    for split, faces in (("train", train), ("test", others[-1])):
        if not len(faces):
            remedy = f"; set datasets.{folder.name}.test_fraction" if split == "test" else ""
            raise DataError(f"{folder}: split {split!r} has no usable faces{remedy}")
    parts = tuple((faces, _spread(len(faces), most)) for faces in (train, *others))
    people = {row.id: row.subject or "" for row in read_manifest(folder / "manifest.csv")}
    return ProbedFaces(
        parts,
        np.concatenate([np.full(len(rows), faces.split) for faces, rows in parts]),
        np.concatenate([faces.labels[rows] for faces, rows in parts]),
        np.array([people[faces.ids[row]] for faces, rows in parts for row in rows]),
        train.classes,
        folder,
    )


def _spread(count: int, most: int | None) -> list[int]:
    chosen: list[int] = spread_rows(count, count if most is None else most).tolist() if count else []
    return chosen


@dataclass(frozen=True)
class Question:
    """What a linear classifier is asked of some faces.

    Attributes:
        target: ``expression`` or ``subject``.
        classes: Names of the classes.
        labels: (N,) class of each face; -1 for a face that takes no part.
        splits: (N,) ``train``, ``valid`` or ``test``.
        people: (N,) person of each face; all equal where they aren't known, or where persons are the classes.
    """

    target: Target
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    splits: NDArray[np.str_]
    people: NDArray[np.str_]

    def rows(self, split: str) -> NDArray[np.int64]:
        """List the faces of a split that take part."""
        return np.flatnonzero((self.splits == split) & (self.labels >= 0))

    def folds(self) -> tuple[Fold, ...]:
        """List what is fitted and what held out to choose a strength.

        That is ``train`` and ``valid``. Where ``valid`` has fewer than 20 faces, these are five parts of ``train``,
        with all faces of a person in one of them.
        """
        train, valid = self.rows("train"), self.rows("valid")
        if len(valid) >= FEW_TO_SELECT or self.target == "subject":
            return ((train, valid),)
        names = self.people[train]
        known = len(set(names.tolist())) >= _FOLDS
        units = np.unique(names, return_inverse=True)[1] if known else np.arange(len(train))
        parts = units % _FOLDS
        pairs = [(train[parts != part], train[parts == part]) for part in range(_FOLDS)]
        return tuple((fitted, held) for fitted, held in pairs if len(fitted) and len(held))


def ask_expression(faces: ProbedFaces) -> Question:
    """Ask for the expression, on the splits of the data set.

    Raises:
        DataError: The training faces have one expression alone, or no test face has one of theirs.
    """
    trained = np.unique(faces.labels[faces.splits == "train"]).tolist()
    classes = tuple(faces.classes[index] for index in trained)
    if len(classes) < 2:
        raise DataError(
            f"{faces.folder}: the faces of split 'train' all show {classes[0]}; a probe needs two expressions"
        )
    labels = np.full(len(faces), -1, np.int64)
    for position, index in enumerate(trained):
        labels[faces.labels == index] = position
    return Question("expression", classes, labels, faces.splits, faces.subjects)


def ask_person(faces: ProbedFaces) -> Question:
    """Ask for the person, on splits within each person's faces of all splits.

    Of a person's faces, in order of the splits and ids, the last quarter tests and the quarter before it chooses; these
    are pieces, not every fourth face, since neighbours are often frames of one clip. Of two faces one is fitted and one
    tests. Persons with one face take no part.

    Raises:
        DataError: The data set names no persons, or too few have three faces.
    """
    faces_of: dict[str, list[int]] = {}
    for row, person in enumerate(faces.subjects.tolist()):
        if person:
            faces_of.setdefault(person, []).append(row)
    if not faces_of:
        raise DataError(
            f"{faces.folder / 'manifest.csv'}: names no persons (subject), so that none can be told apart; "
            "a subject column or subject_pattern names them"
        )
    several = {person: rows for person, rows in sorted(faces_of.items()) if len(rows) > 1}
    if len(several) < 2 or all(len(rows) < _FEWEST for rows in several.values()):
        raise DataError(
            f"{faces.folder}: {len(several)} persons have two faces or more; the probe for persons needs two of them, "
            "and one with three faces: one to fit, one to choose the strength, one to test"
        )
    labels, splits = np.full(len(faces), -1, np.int64), np.full(len(faces), "train", "<U5")
    for number, rows in enumerate(several.values()):
        labels[rows] = number
        for split, chosen in zip(SPLITS, _cut(rows), strict=True):
            splits[chosen] = split
    return Question("subject", tuple(several), labels, splits, np.full(len(faces), ""))


def _cut(rows: Sequence[int]) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Cut a person's faces into those to fit, to choose and to test."""
    piece = max(len(rows) // _QUARTER, 1)
    chosen = piece if len(rows) >= _FEWEST else 0
    return rows[: len(rows) - piece - chosen], rows[len(rows) - piece - chosen : len(rows) - piece], rows[-piece:]

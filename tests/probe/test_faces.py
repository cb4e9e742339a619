from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.shared.blobs import Blob, many
from fer_au.errors import DataError
from fer_au.probe.faces import ProbedFaces, ask_expression, ask_person, read_faces
from tests.probe.conftest import Project, faces

DATA = Path("data/tiny")


def read(most: int | None = None, fold: str | None = None) -> ProbedFaces:
    return read_faces(DATA, 32, fold=fold, views=1, most=most)


def test_expressions_are_asked_on_the_splits_of_the_data_set(project: Project) -> None:
    question = ask_expression(read())
    assert question.classes == ("neutral", "happiness", "surprise", "anger")
    assert [len(question.rows(split)) for split in ("train", "valid", "test")] == [48, 24, 20]
    ((fitted, held),) = question.folds()
    assert set(question.splits[fitted]) == {"train"}
    assert set(question.splits[held]) == {"valid"}


def test_few_valid_faces_leave_the_choice_to_parts_of_train_that_share_no_person(project: Project) -> None:
    project.data(faces(people=7, valid=4))
    question = ask_expression(read())
    folds = question.folds()
    assert len(folds) == 5
    held = np.concatenate([held for _, held in folds])
    assert sorted(held.tolist()) == question.rows("train").tolist()
    for fitted, out in folds:
        assert not {*question.people[fitted]} & {*question.people[out]}
        assert "test" not in question.splits[fitted]


def test_persons_are_asked_on_pieces_of_their_own_faces(project: Project) -> None:
    blobs = [*[Blob("anger", subject="a")] * 8, *[Blob("happiness", subject="b")] * 3]
    blobs += [
        *[Blob("anger", subject="c")] * 2,
        Blob("anger", subject="d"),
        Blob("anger"),
        Blob("anger", "test", subject="a"),
    ]
    project.data(blobs)
    found = read()
    question = ask_person(found)
    assert question.classes == ("a", "b", "c")
    counts = {
        name: [int((question.splits[question.labels == number] == split).sum()) for split in ("train", "valid", "test")]
        for number, name in enumerate(question.classes)
    }
    assert counts == {"a": [5, 2, 2], "b": [1, 1, 1], "c": [1, 0, 1]}
    assert set(found.subjects[question.labels == -1]) == {"d", ""}
    own = question.splits[question.labels == 0].tolist()
    assert own == sorted(own, key=("train", "valid", "test").index)  # pieces, not every fourth face


def test_a_fold_is_held_out(project: Project) -> None:
    project.data([Blob(label, fold=str(n % 2)) for label in ("anger", "happiness") for n in range(6)])
    question = ask_expression(read(fold="1"))
    assert [len(question.rows(split)) for split in ("train", "test")] == [6, 6]


def test_the_number_of_faces_is_bounded_and_spread(project: Project) -> None:
    found = read(most=10)
    assert [len(positions) for _, positions in found.parts] == [10, 10, 10]
    assert set(found.labels[found.splits == "train"]) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("blobs", "message"),
    [
        (many("anger", 4) + many("happiness", 4), "split 'test' has no usable faces; set datasets.tiny.test_fraction"),
        (many("anger", 4) + many("anger", 4, "test"), "all show anger; a probe needs two expressions"),
    ],
)
def test_what_cannot_be_asked_is_one_line(project: Project, blobs: list[Blob], message: str) -> None:
    project.data(blobs)
    with pytest.raises(DataError, match=message):
        ask_expression(read())


@pytest.mark.parametrize(
    ("people", "message"),
    [([None] * 6, "names no persons"), (["a", "a", "b", "b", "c", "d"], "2 persons have two faces or more")],
)
def test_persons_that_cannot_be_told_apart_are_one_line(
    project: Project, people: list[str | None], message: str
) -> None:
    project.data([Blob("anger", subject=one) for one in people] + many("anger", 1, "test"))
    with pytest.raises(DataError, match=message):
        ask_person(read())


def test_a_data_set_that_is_not_prepared_names_the_stage() -> None:
    with pytest.raises(DataError, match="run `dvc repro heatmaps@tiny`"):
        read_faces(Path("nowhere/tiny"), 32, fold=None, views=1)

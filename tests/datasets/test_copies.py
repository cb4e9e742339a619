"""Pictures of the same bytes in two splits, in two folds, under two labels: a line each, and nothing else changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.datasets import ingest_dataset, read_manifest
from fer_au.datasets.copies import copy_lines as group_lines
from fer_au.datasets.folder import FolderConfig
from fer_au.datasets.leaks import find_leaks
from fer_au.datasets.manifest import Box, ManifestRow


def row(place: str, content: str, *, face: str = "", fold: str | None = None, box: Box | None = None) -> ManifestRow:
    """One face, at ``split/label/name``, whose picture has some content."""
    split, label, _ = place.split("/")
    digest = hashlib.sha256(content.encode()).hexdigest()
    return ManifestRow(place + face, place, digest, split, fold, label, None, 9, 9, box)  # type: ignore[arg-type]


def copy_lines(rows: list[ManifestRow]) -> list[str]:
    """The lines about files of the same bytes."""
    return group_lines(find_leaks(rows))


@pytest.mark.parametrize(
    ("split", "other", "end"),
    [
        ("test", "train", "scores on them are no test"),
        ("test", "valid", "scores on them are no test"),
        ("valid", "train", "an epoch that is good on them may have learnt them by heart"),
    ],
)
def test_pictures_of_two_splits_are_counted(split: str, other: str, end: str) -> None:
    alone = [row("train/fear/x", "x"), row("test/fear/y", "y"), row("valid/fear/z", "z")]
    pair = [row(f"{other}/fear/1", "a"), row(f"{split}/fear/2", "a")]
    example = f"{split}/fear/2 = {other}/fear/1: {end}"
    assert copy_lines([*alone, *pair]) == [f"1 picture of {split} is in {other}, too (same bytes), such as {example}"]
    more = [row(f"{split}/fear/3", "a"), row(f"{other}/fear/4", "a"), row(f"{other}/fear/5", "a")]
    (line,) = copy_lines([*more, *alone, *pair])
    assert line == f"2 pictures of {split} are in {other}, too (same bytes), such as {example}"


def test_the_parts_that_a_test_picture_is_in_are_named_together() -> None:
    faces = [
        row(f"{split}/fear/{n}", n)
        for n, splits in {"1": "test train", "2": "test valid"}.items()
        for split in splits.split()
    ]
    (line,) = copy_lines(faces)
    assert line.startswith("2 pictures of test are in train or valid, too (same bytes), such as ")


def test_copies_inside_a_split_are_no_matter() -> None:
    assert copy_lines([row("train/fear/1", "a"), row("train/fear/2", "a"), row("test/fear/3", "b")]) == []


def test_pictures_with_two_labels_are_counted() -> None:
    pair = [row("train/happiness/B", "a"), row("train/anger/A", "a")]
    assert copy_lines([*pair, row("train/fear/C", "c")]) == [
        "1 picture has two labels (same bytes), such as train/happiness/B (happiness) = train/anger/A (anger)"
    ]
    (line,) = copy_lines([*pair, row("train/fear/C", "c"), row("train/fear/D", "d"), row("train/sadness/D", "d")])
    assert line.startswith("2 pictures have two labels (same bytes), such as ")
    (line,) = copy_lines([*pair, row("train/fear/C", "a")])
    assert line.startswith("1 picture has two or more labels ")


def test_the_faces_of_one_picture_are_no_copies_of_each_other() -> None:
    faces = [row("train/fear/1", "a", face="#0"), row("train/fear/1", "a", face="#1")]
    boxes = [row("train/anger/2", "b", box=(0, 0, 4, 4)), row("test/fear/3", "b", box=(5, 0, 9, 4))]
    assert copy_lines([*faces, *boxes]) == []
    (line,) = copy_lines([*faces, row("test/fear/4", "a", face="#1")])
    assert "such as test/fear/4#1 = train/fear/1#1: " in line


def test_folds_are_compared_where_a_set_has_them() -> None:
    folds = [row("train/fear/1", "a", fold="1"), row("train/fear/2", "a", fold="2"), row("test/fear/3", "a")]
    assert copy_lines(folds) == [
        "1 picture is in more than one fold (same bytes), such as train/fear/1 (fold 1) = train/fear/2 (fold 2): "
        "scores on them are no test"
    ]
    assert copy_lines([row("train/fear/1", "a", fold="1"), row("train/fear/2", "a", fold="1")]) == []


def test_ingest_says_it_and_changes_no_split(
    tmp_path: Path, add: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data = add(tmp_path / "raw/train/happy/1.jpg").read_bytes()
    for place in ("test/happy/1.jpg", "train/sad/2.jpg"):
        add(tmp_path / "raw" / place, data)
    add(tmp_path / "raw/test/sad/3.jpg")
    config = FolderConfig(adapter="folder", root=tmp_path / "raw", valid_fraction=0.0)
    ingest_dataset("x", config, tmp_path / "out")
    lines = capsys.readouterr().err.splitlines()
    leak = "ingest x: 1 picture of test is in train, too (same bytes), such as test/happy/1.jpg = train/happy/1.jpg: "
    assert f"{leak}scores on them are no test" in lines
    assert any(line.startswith("ingest x: 1 picture has two labels (same bytes), such as ") for line in lines)
    assert [row.split for row in read_manifest(tmp_path / "out/manifest.csv")] == ["test", "test", "train", "train"]

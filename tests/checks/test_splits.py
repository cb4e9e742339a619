"""Splits that will exist, and who needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.checks.conftest import Check, changed, write_pictures

AU = "experiments.au"


@pytest.mark.parametrize(
    ("folders", "settings", "missing"),
    [
        (["train", "test"], {}, []),
        (["train", "valid", "test"], {"valid_fraction": 0.0}, []),
        (["train"], {}, ["test"]),
        (["train"], {"test_fraction": 0.2}, []),
        (["test"], {}, ["train", "valid"]),
        ([""], {}, ["test"]),
    ],
)
def test_splits_that_will_exist(
    folders: list[str], settings: dict[str, Any], missing: list[str], check: Check, project: Path
) -> None:
    for folder in folders:
        write_pictures(project / "own" / folder / "happy")
        write_pictures(project / "own" / folder / "sad")
    lines = check({"datasets.mine": {"adapter": "folder", "root": "own", **settings}})
    assert [line.split("'")[1] for line in lines] == missing


def test_each_split_that_is_scored_or_trained_on_is_needed(check: Check, project: Path) -> None:
    folds = {"adapter": "csv", "root": "faces", "labels": "l.csv", "columns": {"fold": "fold"}}
    rows = [f"{label}/s{n}_x.png,{label},{n % 2 + 1}\n" for label in ("happy", "sad") for n in range(4)]
    (project / "faces/l.csv").write_text("image,label,fold\n" + "".join(rows))
    assert len(check({"datasets.mine": folds})) == 1
    assert check({"datasets.mine": folds, "experiments.plain.fold": 1, f"{AU}.fold": 2}) == []  # a fold is the test
    no_valid = {"datasets.mine.valid_fraction": 0.0}
    assert check({**no_valid, "train.select_on": "test"}) == []
    assert len(check({**no_valid, "train.select_on": "test", "evaluate.split": "valid"})) == 1
    persons = {"experiments.plain.target": "subject", f"{AU}.base": "plain", "datasets.mine.subject_pattern": "^(s.)"}
    assert check(persons) == []
    other = {"adapter": "folder", "root": "faces"}
    (line,) = check({"datasets.other": other, "cross": {"x": {"experiment": "au", "dataset": "other"}}})
    assert line.startswith("datasets.other: split 'test', which cross.x need, is empty; ")


FOLDS = {"adapter": "csv", "root": "faces", "labels": "l.csv", "columns": {"split": "split", "fold": "fold"}}
TWO = {"experiments.plain.fold": 1, f"{AU}.fold": 1}
FEW = "datasets.mine: split 'train', which experiments.plain, experiments.au need, has no class but "
STRANGE = " need, has only fear (training knows happiness, sadness); see label_map"

# Rows of a label file (split, fold, label), changes of params.yaml, and how the lines begin.
CLASSES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "all": ("train 1 happy, train 2 sad, test 1 happy, valid 1 sad", {}, []),
    "one class": ("train 1 happy, test 1 sad, valid 1 happy", {}, [f"{FEW}happiness (training needs two); see "]),
    "one class, two names": ("train 1 happy, train 1 joy, test 1 joy", {}, [f"{FEW}happiness"]),
    "one class, the other left out": (
        "train 1 happy, train 1 sad, test 1 happy",
        {"datasets.mine.label_map": {"sad": None}},
        [f"{FEW}happiness"],
    ),
    "persons of one class": (
        "train 1 happy, test 1 happy",
        {AU: None, "experiments.plain.target": "subject", "datasets.mine.subject_pattern": "(.)"},
        [],
    ),
    "test of other classes": (
        "train 1 happy, train 1 sad, test 1 fear",
        {},
        [f"datasets.mine: split 'test', which experiments.plain, experiments.au{STRANGE}"],
    ),
    "it is not scored": ("train 1 happy, train 1 sad, test 1 fear", {"evaluate": {"split": "valid"}}, []),
    "valid of other classes": (
        "train 1 happy, train 1 sad, valid 1 fear, test 1 sad",
        {},
        [f"datasets.mine: split 'valid', which experiments.plain, experiments.au{STRANGE}"],
    ),
    "it selects nothing": (
        "train 1 happy, train 1 sad, valid 1 fear, test 1 sad",
        {"train.select_on": "test"},
        [],
    ),
    "a class more than train": ("train 1 happy, train 1 sad, test 1 fear, test 1 sad", {}, []),
    "no neutral face": ("train 1 happy, train 1 sad, test 1 sad", {}, []),
    "cut from train": ("- 1 happy, - 1 sad, - 2 sad", {"datasets.mine.test_fraction": 0.2}, []),
    "a fold of other classes": (
        "- 1 fear, - 2 happy, - 2 sad",
        TWO,
        [f"datasets.mine: split 'test', which experiments.plain, experiments.au{STRANGE}"],
    ),
    "one class beside the fold": ("- 1 fear, - 1 sad, - 2 happy", TWO, [f"{FEW}happiness"]),
    "test trains beside a fold": ("test 1 happy, test 2 happy, train 2 sad", TWO, []),
    "two folds": ("- 1 fear, - 1 sad, - 2 happy, - 2 sad", {**TWO, f"{AU}.fold": 2}, []),
    "folds by name": (
        "- S1 fear, - S1 sad, - S2 happy, - S2 sad", {"experiments.plain.fold": "S1", f"{AU}.fold": "s2"}, [],
    ),
    "folds as other numbers": ("- 01 fear, - 01 sad, - 2.0 happy, - 2.0 sad", {**TWO, f"{AU}.fold": 2}, []),
    "one class beside a named fold": (
        "- S1 fear, - S1 sad, - S2 happy", {"experiments.plain.fold": "s1", f"{AU}.fold": "S1"}, [f"{FEW}happiness"],
    ),
    "no such name": (
        "- S1 fear, - S1 sad, - S2 happy, - S2 sad",
        {"experiments.plain.fold": "S1", f"{AU}.fold": "S3", "datasets.mine.test_fraction": 0.2},
        [f"{AU}.fold: data set 'mine' has no fold 'S3'; it has S1, S2"],
    ),
    "no such fold": (
        "- 1 sad, - 2 happy, - 2 sad",
        {**TWO, f"{AU}.fold": 3, "datasets.mine.test_fraction": 0.2},
        [f"{AU}.fold: data set 'mine' has no fold '3'; it has 1, 2"],
    ),
}  # fmt: skip


def labelled(project: Path, file: str, text: str) -> None:
    """Write a label file of two rows for each ``split fold label``; ``-`` is an empty cell."""
    rows = [row.replace("-", "").split(" ") for row in text.split(", ") for _ in range(2)]
    lines = [f"{n}.png,{','.join(row)}\n" for n, row in enumerate(rows)]
    (project / "faces" / file).write_text("image,split,fold,label\n" + "".join(lines))


@pytest.mark.parametrize("case", CLASSES)
def test_classes_that_training_or_evaluation_refuses(case: str, check: Check, project: Path) -> None:
    rows, changes, beginnings = CLASSES[case]
    labelled(project, "l.csv", rows)
    lines = check({"datasets.mine": {**FOLDS}, **changes})
    assert len(lines) == len(beginnings), lines
    assert all(line.startswith(beginning) for line, beginning in zip(lines, beginnings, strict=True)), lines


def test_a_cross_is_held_to_the_classes_of_its_model(check: Check, project: Path) -> None:
    """A set to test on needs no training part, and no valid one."""
    other = {"datasets.other": {**FOLDS, "labels": "o.csv"}, "cross": {"x": {"experiment": "au", "dataset": "other"}}}
    labelled(project, "o.csv", "test 1 happy, test 1 fear")
    assert check(other) == []
    labelled(project, "o.csv", "test 1 fear")
    assert check(other) == [f"datasets.other: split 'test', which cross.x{STRANGE}"]


@pytest.mark.parametrize(
    ("labels", "limit", "line"),
    [
        ("happy sad", 0.05, ""),
        ("happy sad Wut", 0.4, ""),
        ("happy sad Wut", 0.3, "2 of 6 faces have a label that names no expression, and max_reject_fraction is 30.0%"),
        ("Freude Wut", 1.0, "4 of 4 faces have a label that names no expression, "),
        ("happy sad happynes", 0.05, "2 of 6 faces have a label that names no expression, and max_reject_fraction is "
         "5.0%: happynes (2, happiness?); say what they mean, `label_map: {happynes: happiness}`"),
    ],
)  # fmt: skip
def test_labels_that_ingest_refuses(labels: str, limit: float, line: str, check: Check, project: Path) -> None:
    """Nothing else is said of such a set: what its splits will hold rests on its labels."""
    labelled(project, "l.csv", ", ".join(f"train 1 {label}" for label in labels.split()))
    found = check({"datasets.mine": {**FOLDS, "max_reject_fraction": limit, "test_fraction": 0.2}})
    assert len(found) == bool(line), found
    assert not line or found[0].startswith(f"datasets.mine: {line}")


def test_faces_that_will_be_rendered_anew_say_nothing(check: Check, project: Path) -> None:
    demo = {"datasets.mine": {"adapter": "demo", "root": "data/mine/raw"}, "render": {"mine": {"test_fraction": 0.5}}}
    (project / "data/mine/raw").mkdir(parents=True)
    (project / "data/mine/raw/labels.csv").write_text("path,label,subject,split\n0.png,happiness,a,train\n")
    assert check(demo) == []
    stage = {"cmd": "python", "params": {"params.yaml": {"render.mine": changed({}, demo)["render"]["mine"]}}}
    (project / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"render@mine": stage}}))
    assert len(check(demo)) == 2


@pytest.mark.parametrize(
    ("rows", "changes", "faces"),
    [
        (["train happy", "train sad"] * 100, {}, 180),  # a tenth of it becomes valid
        (["train happy", "train sad", "valid sad"] * 100, {}, 200),
        ([" happy", " sad"] * 100, {"datasets.mine.test_fraction": 0.5}, 90),
        (["train happy", "train sad"] * 900, {}, None),
    ],
)
def test_a_share_of_the_training_faces_is_a_batch_at_least(
    rows: list[str], changes: dict[str, Any], faces: int | None, check: Check, project: Path
) -> None:
    lines = [f"{number}.png,{row.replace(' ', ',')}" for number, row in enumerate([*rows, "test happy", "test sad"])]
    if "datasets.mine.test_fraction" in changes:
        lines = lines[:-2]
    (project / "faces/l.csv").write_text("\n".join(["image,split,label", *lines]))
    own = {"adapter": "csv", "root": "faces", "labels": "l.csv", "columns": {"split": "split"}}
    share = {"datasets.mine": own, "train.batch_size": 64, f"{AU}.train": {"fraction": 0.1}}
    text = "less than one batch of 64; raise it, or lower train.batch_size"
    expected = [f"{AU}.train.fraction: 0.1 of {faces} training faces are {(faces or 0) // 10}, {text}"]
    assert check({**share, **changes}) == (expected if faces else [])
    assert check({**share, **changes, f"{AU}.train": {"fraction": 1}}) == []

"""Adapter ``union``: several sets as one, ids that say whose a face is, common classes, leaks between the sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_au.code.stages import stage_files
from fer_au.datasets.base import examine_dataset
from fer_au.errors import DataError
from tests.datasets.miniatures import fer2013, sfew
from tests.datasets.miniatures.noise import write_noise
from tests.datasets.miniatures.union import ENTRY, write
from tests.datasets.official import check_outline, reasons, scan, survey

SETS: dict[str, Any] = ENTRY["sets"]


@pytest.fixture
def both(tmp_path: Path) -> Path:
    write(tmp_path / "all", 2)
    return tmp_path / "all"


def test_faces_persons_and_rejects_begin_with_the_folder_of_their_set(both: Path) -> None:
    write_noise(both / "jaffe/mean.tiff")
    found = scan("union", both, sets=SETS)
    assert len(found.records) == 70 + 70
    by_path = {one.path: one for one in found.records}
    assert by_path["jaffe/KA.AN1.5.tiff"].subject == "jaffe/KA"
    assert by_path["KDEF/AF01/AF01ANS.JPG"].label == "anger"
    assert reasons(found) == {"jaffe/mean.tiff": "unlabelled"}
    assert "KDEF: KDEF has 4900 pictures of 70 persons; here are 70 of 2" in found.notes
    check_outline("union", both, sets=SETS)


def test_folds_stay_where_all_sets_have_them(both: Path) -> None:
    sets = {name: {**entry, "folds": 2} for name, entry in SETS.items()}
    assert {one.fold for one in scan("union", both, sets=sets).records} == {"0", "1"}
    check_outline("union", both, sets=sets)
    sets["kdef"] = SETS["kdef"]
    assert {one.fold for one in scan("union", both, sets=sets).records} == {None}


def test_classes_are_those_that_all_sets_have(tmp_path: Path) -> None:
    for name in ("one/happy", "one/sad", "one/contempt", "two/happy", "two/sad", "two/fear"):
        write_noise(tmp_path / f"{name}/1.jpg")
    sets = {name: {"adapter": "folder", "root": name} for name in ("one", "two")}

    def labels(**keys: object) -> set[str]:
        check_outline("union", tmp_path, sets=sets, **keys)
        return {one.label for one in scan("union", tmp_path, sets=sets, **keys).records}

    assert labels() == {"happiness", "sadness"}
    assert labels(classes="all") == {"happiness", "sadness", "contempt", "fear"}
    assert labels(classes=["fear", "happiness"]) == {"fear", "happiness"}
    assert reasons(scan("union", tmp_path, sets=sets)) == {
        "one/contempt/1.jpg": "unlabelled",
        "two/fear/1.jpg": "unlabelled",
    }
    with pytest.raises(DataError, match="classes: no set has anger"):
        labels(classes=["anger", "fear"])
    sets["two"]["label_map"] = {"happy": None, "sad": None}  # type: ignore[assignment]
    with pytest.raises(DataError, match=r"the sets have no expression in common: one has .*; two has fear"):
        labels()


def test_a_photograph_in_two_sets_is_told(both: Path) -> None:
    made = survey("union", both, sets=SETS)
    (group,) = [one for one in made.leaks.groups if len(one.origins) > 1]
    assert [row.id for row in group.rows] == ["KDEF/AF01/AF01ANS.JPG", "jaffe/KA.AN1.5.tiff"]
    assert "between the sets KDEF and jaffe" in group.problem


def test_pictures_inside_files_and_splits_of_their_own_come_along(tmp_path: Path) -> None:
    fer2013.write(tmp_path / "FER2013")
    sfew.write(tmp_path / "SFEW")
    sets = {
        "fer": {"adapter": "fer2013", "root": "FER2013"},
        "sfew": {"adapter": "sfew", "root": str(tmp_path / "SFEW")},
    }
    made = survey("union", tmp_path, sets=sets, max_reject_fraction=0.5)
    assert {row.id.split("/")[0] for row in made.rows} == {"FER2013", "SFEW"}
    assert {row.split for row in made.rows if row.id.startswith("SFEW/")} == {"train", "test"}
    assert "SFEW: no valid part of its own, as others have: it has no face in valid" in made.notes


def test_points_of_one_set_are_nan_in_the_other(tmp_path: Path) -> None:
    for name in "ab":
        write_noise(tmp_path / f"one/{name}.jpg", size=(64, 64))
        write_noise(tmp_path / f"two/happy/{name}.jpg")
    points = ";".join(f"{20 + n % 9 * 3};{20 + n // 9 * 3}" for n in range(68))
    rows = "".join(f'{name}.jpg,happy,"{points}"\n' for name in "ab")
    (tmp_path / "one/labels.csv").write_text(f"image,label,lm\n{rows}")
    sets = {
        "one": {"adapter": "csv", "root": "one", "labels": "labels.csv", "points": {"column": "lm"}},
        "two": {"adapter": "folder", "root": "two"},
    }
    found = scan("union", tmp_path, sets=sets)
    ids = [one.id for one in found.records]
    columns = found.annotations.align(sorted(ids))
    known = ~np.isnan(columns["points"]).any(axis=(1, 2))
    assert dict(zip(sorted(ids), known.tolist(), strict=True)) == {
        "one/a.jpg": True, "one/b.jpg": True, "two/happy/a.jpg": False, "two/happy/b.jpg": False
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"jaffe": {"adapter": "jafe", "root": "jaffe"}}, "jaffe.adapter: unknown data set adapter 'jafe'"),
        ({"jaffe": {"adapter": "jaffe"}}, "jaffe.root: required key is missing"),
        (
            {"jaffe": {"adapter": "jaffe", "root": "jaffe", "flods": 3}},
            "jaffe.flods: unknown key; did you mean folds",
        ),
        (
            {"jaffe": {"adapter": "jaffe", "root": "jaffe", "seed": 3}},
            "jaffe.seed: has no effect: the key of the union decides; delete it",
        ),
        (
            {"jaffe": {"adapter": "jaffe", "root": "../jaffe"}},
            "jaffe.root: ../jaffe is not below the union's root",
        ),
        ({"jaffe": {"adapter": "jaffe", "root": "/elsewhere"}}, "/elsewhere is not below the union's root, "),
        ({"jaffe": {"adapter": "jaffe", "root": "."}}, "jaffe.root: . is the root itself, "),
    ],
)
def test_a_wrong_entry_is_one_line(both: Path, changes: dict[str, Any], said: str) -> None:
    entry = {"adapter": "union", "root": str(both), "sets": {**SETS, **changes}}
    _, faults = examine_dataset("x", entry)
    assert len(faults) == 1
    assert said in faults[0].text
    assert "\n" not in faults[0].text


def test_a_set_that_cannot_be_read_is_named(both: Path) -> None:
    with pytest.raises(DataError, match=r"sets: jaffe2: .*jaffe2: the data set's root does not exist"):
        scan("union", both, sets={**SETS, "jaffe": {"adapter": "jaffe", "root": "jaffe2"}})
    with pytest.raises(DataError, match="sets: KDEF and KDEF/AF01 are one folder, or one holds the other"):
        scan("union", both, sets={**SETS, "jaffe": {"adapter": "kdef", "root": "KDEF/AF01"}})


def test_the_code_of_each_adapter_decides_ingest(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    sets = "{a: {adapter: jaffe, root: a}, b: {adapter: sfew, root: b}}"
    params.write_text(f"datasets: {{all: {{adapter: union, root: x, sets: {sets}}}}}\n")
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/ingest.py").write_text("from fer_au.datasets import ingest_dataset\n")
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    names = {path.name for path in stage_files("ingest", "all", params)}
    assert {"union.py", "jaffe.py", "sfew.py"} <= names
    assert "tfeid.py" not in names

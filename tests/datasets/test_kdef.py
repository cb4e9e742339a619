"""Adapter ``kdef``: names, views and sessions, folds of persons, and the two files that are misnamed as distributed."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from fer_au.errors import DataError
from fer_au.rejects import Reason
from tests.datasets.miniatures.kdef import write
from tests.datasets.miniatures.noise import write_noise
from tests.datasets.official import check_outline, reasons, scan, survey


@pytest.fixture(scope="module")
def kdef(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kdef") / "KDEF_and_AKDEF" / "KDEF"
    write(root)
    return root


def test_names_say_person_and_expression(kdef: Path) -> None:
    found = scan("kdef", kdef)
    assert len(found.records) == 350
    assert found.rejects == ()
    record = next(one for one in found.records if one.path == "AF01/AF01ANS.JPG")
    assert (record.label, record.subject, record.split) == ("anger", "F01", None)
    labels = {one.path[9:11]: one.label for one in found.records}
    assert labels == {
        "AF": "fear", "AN": "anger", "DI": "disgust", "HA": "happiness", "NE": "neutral", "SA": "sadness",
        "SU": "surprise",
    }  # fmt: skip
    assert found.notes == ("KDEF has 4900 pictures of 70 persons; here are 350 of 10",)
    check_outline("kdef", kdef)


def test_the_folder_above_is_right_too_and_ids_say_where(kdef: Path) -> None:
    assert {one.path for one in scan("kdef", kdef.parent).records} == {
        f"KDEF/{one.path}" for one in scan("kdef", kdef).records
    }


def test_no_person_is_in_two_folds(kdef: Path) -> None:
    for folds in (10, 5):
        found = defaultdict(set)
        for one in scan("kdef", kdef, folds=folds).records:
            found[one.fold].add(one.subject)
        assert set(found) == set(map(str, range(folds)))
        assert {len(persons) for persons in found.values()} == {10 // folds}
        assert not set.intersection(*found.values())
    assert {one.fold for one in scan("kdef", kdef, folds=0).records} == {None}


def test_views_and_sessions_are_chosen(tmp_path: Path) -> None:
    write(tmp_path, persons=2, series="AB")
    front = scan("kdef", tmp_path, views=["straight"], folds=0)
    assert len(front.records) == 2 * 2 * 7
    assert all(one.path.endswith("S.JPG") for one in front.records)
    assert "112 pictures belong to parts that the entry leaves out" in front.notes
    session = scan("kdef", tmp_path, series=["B"], views=["half-left", "half-right"], folds=0)
    assert {one.path[-6:] for one in session.records} == {"HL.JPG", "HR.JPG"}
    assert {one.path[0] for one in session.records} == {"B"}
    check_outline("kdef", tmp_path, series=["B"], folds=2)
    write(tmp_path / "one", persons=2)
    with pytest.raises(DataError, match="the entry leaves out all 70 pictures"):
        scan("kdef", tmp_path / "one", series=["B"], folds=0)


def test_the_only_odd_picture_of_a_folder_is_the_one_that_it_lacks(kdef: Path, tmp_path: Path) -> None:
    write(tmp_path, persons=2)
    (tmp_path / "AF01/AF01SUFL.JPG").rename(tmp_path / "AF01/AF01V.JPG")
    found = scan("kdef", tmp_path, folds=0)
    mended = next(one for one in found.records if one.path == "AF01/AF01V.JPG")
    assert (mended.label, mended.subject) == ("surprise", "F01")
    assert found.notes[0] == "AF01/AF01V.JPG is taken as AF01SUFL: all other pictures of its folder are there"
    (tmp_path / "AF01/AF01SUFR.JPG").unlink()  # two are lacking now: no one can tell
    found = scan("kdef", tmp_path, folds=0)
    assert reasons(found) == {"AF01/AF01V.JPG": "unlabelled"}


def test_strange_names_codes_and_copies_are_rows_of_the_rejects(tmp_path: Path) -> None:
    write(tmp_path, persons=2)
    write_noise(tmp_path / "AKDEF/average.jpg")
    write_noise(tmp_path / "AF01/AF01XXS.JPG")
    write_noise(tmp_path / "sorted/AF01ANS.jpg")
    found = scan("kdef", tmp_path, folds=0)
    assert reasons(found) == {
        "AF01/AF01XXS.JPG": "unknown_label",
        "AKDEF/average.jpg": "unlabelled",
        "sorted/AF01ANS.jpg": "duplicate_id",
    }
    said = {reject.id: reject.detail for reject in found.rejects}
    assert said["sorted/AF01ANS.jpg"] == "AF01/AF01ANS.JPG has the same name"
    assert len(found.records) == 70


def test_a_label_map_leaves_a_class_out(kdef: Path) -> None:
    found = scan("kdef", kdef, label_map={"NE": None})
    assert {reject.reason for reject in found.rejects} == {Reason.UNLABELLED}
    assert len(found.rejects) == 50


def test_another_folder_and_too_many_folds_are_one_line(kdef: Path, tmp_path: Path) -> None:
    write_noise(tmp_path / "happy/1.jpg")
    with pytest.raises(DataError) as caught:
        scan("kdef", tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no picture is named as those of KDEF, such as AF01ANS.JPG; pictures found: happy/1.jpg; "
        "it looks like adapter folder"
    )
    with pytest.raises(DataError, match="11 folds of 10 persons; say 10 at most"):
        scan("kdef", kdef, folds=11)
    with pytest.raises(DataError, match="one fold leaves nobody to train on"):
        scan("kdef", kdef, folds=1)


def test_ingest_takes_all_of_it(kdef: Path) -> None:
    found = survey("kdef", kdef, valid_fraction=0.2)
    assert len(found.rows) == 350
    persons = defaultdict(set)
    for row in found.rows:
        persons[row.subject].add(row.split)
    assert all(len(splits) == 1 for splits in persons.values())
    assert {row.split for row in found.rows} == {"train", "valid"}

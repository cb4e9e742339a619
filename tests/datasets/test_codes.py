"""Codes and words of label files: numbers are compared as numbers, words for nothing are empty, splits have names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.config.data import DatasetConfig
from fer_au.datasets import Scan
from fer_au.datasets.base import create_adapter, examine_dataset
from fer_au.datasets.labels import parse_label, parse_split
from fer_au.datasets.spelling import find_code
from fer_au.rejects import Reason

THREE = ["3", "03", "3.0", "3.", "+3", " 3 ", "3.0000000e+00", "3E0", "0.3e1", "30e-1"]
OTHERS = ["30", "3.5", "-3", "3a", "0x3", "1_0", "three", "3 3", "3,0"]
NOTHING = ["", "NaN", "nan", "None", "N/A", "null", "<NA>", "#N/A", " NULL ", "empty"]


@pytest.fixture
def scan(tmp_path: Path, add: Callable[..., Path]) -> Callable[..., Scan]:
    """Scan a label file by adapter csv; every row ``0,...`` has its picture ``0.jpg``."""

    def run(header: str, rows: list[str], **keys: object) -> Scan:
        lines = [header, *(f"{number}.jpg,{row}" for number, row in enumerate(rows))]
        (tmp_path / "labels.csv").write_text("\n".join(lines))
        for number in range(len(rows)):
            add(tmp_path / f"images/{number}.jpg")
        entry = {"adapter": "csv", "root": str(tmp_path), "labels": "labels.csv", "images": "images", **keys}
        config, faults = examine_dataset("x", entry)
        assert isinstance(config, DatasetConfig), faults
        outline = create_adapter("csv").outline(config)
        found = create_adapter("csv").scan(config)
        assert outline is not None
        assert outline.tally is not None
        assert sum(outline.tally.faces.values()) == len(found.records)  # the quick look counts as the scan does
        return found

    return run


@pytest.mark.parametrize("key", [3, "3", "03", "3.0", "3.0e0"])
def test_numbers_are_compared_as_numbers(key: str | int) -> None:
    for text in THREE:
        assert parse_label(text, {key: "fear"}) == "fear", text
        assert parse_split(text, {key: "valid"}) == "valid", text
    for text in OTHERS:
        assert parse_label(text, {key: "fear"}) != "fear", text
        assert parse_split(text, {key: "valid"}) is None, text


def test_long_numbers_are_told_apart() -> None:
    long = "1234567890123456789012345678901234567890"
    assert parse_label(long, {long[:-1] + "1": "fear"}) != "fear"
    assert parse_label("1e999999999", {"1e999999998": "fear"}) != "fear"


def test_words_for_nothing_are_no_label(scan: Callable[..., Scan]) -> None:
    found = scan("image,label", [*NOTHING, "NA", "fear"])
    assert [record.label for record in found.records] == ["fear"]
    assert {reject.reason for reject in found.rejects} == {Reason.UNLABELLED}
    assert len(scan("image,label", ["None", "NA"], label_map={"none": "neutral", "NA": "fear"}).records) == 2


def test_words_for_nothing_are_empty_cells(scan: Callable[..., Scan]) -> None:
    columns = {"split": "s", "fold": "f", "subject": "p", "box": ["a", "b", "c", "d"]}
    found = scan("image,label,s,f,p,a,b,c,d", [f"fear{f',{word}' * 7}" for word in NOTHING], columns=columns)
    assert len(found.records) == len(NOTHING)
    assert {(one.split, one.fold, one.subject, one.box) for one in found.records} == {(None,) * 4}


def test_initials_of_a_person_are_kept(scan: Callable[..., Scan]) -> None:
    found = scan("image,label,p", ["fear,NA"], columns={"subject": "p"})
    assert found.records[0].subject == "NA"


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", ["Training", "train_set", "Train Set", "TRAIN"]),
        ("valid", ["PublicTest", "publictest", "Public Test", "val", "dev", "Validation_Set", "val-set"]),
        ("test", ["PrivateTest", "testset", "Testing"]),
        (None, ["extra", "set", "tests", "", "testtrain"]),
    ],
)
def test_names_of_splits(split: str | None, names: list[str]) -> None:
    assert {parse_split(name) for name in names} == {split}


def test_split_map_comes_first(scan: Callable[..., Scan], tmp_path: Path, add: Callable[..., Path]) -> None:
    columns, meanings = {"split": "s"}, {"publictest": "test", 0: "train", "extra": "train"}
    rows = [f"fear,{split}" for split in ("PublicTest", "0.0", "Extra", "val", "other")]
    found = scan("image,label,s", rows, columns=columns, split_map=meanings)
    assert [one.split for one in found.records] == ["test", "train", "train", "valid"]
    assert "see split_map" in found.rejects[0].detail
    for folder in ("A/happy", "B/happy"):
        add(tmp_path / f"folders/{folder}/0.jpg")
    entry = {"adapter": "folder", "root": str(tmp_path / "folders"), "split_map": {"a": "test"}}
    config, _ = examine_dataset("x", entry)
    assert config is not None
    folders = create_adapter("folder").scan(config)
    assert [one.split for one in folders.records] == ["test"]
    assert folders.rejects[0].detail == "folder 'B' is no split (train, valid, test); see split_map"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"label_map": {True: "fear"}}, "x.label_map: true is a truth value as a key; a label of this name"),
        ({"split_map": {False: "test"}}, "x.split_map: false is a truth value as a key"),
        ({"label_map": {1: "fear", "01": "anger"}}, "x.label_map: 1 and 01 are one label, and mean fear and anger"),
        ({"split_map": {1: "test", "1.0": "train"}}, "x.split_map: 1 and 1.0 are one split, and mean test and train"),
        ({"split_map": {1: "tset"}}, "did you mean test?"),
        ({"split_map": {1: "test"}, "columns": {}}, "x.split_map: has no effect: columns.split names no column"),
    ],
)  # fmt: skip
def test_maps_are_refused_in_one_line(keys: dict[str, object], line: str) -> None:
    entry = {"adapter": "csv", "root": "r", "labels": "l.csv", "columns": {"split": "s"}, **keys}
    faults = examine_dataset("x", entry)[1]
    assert any(line in str(fault) for fault in faults), faults


def test_a_fold_is_found_by_name_or_number() -> None:
    assert find_code("S1", ["s1", "S1", "S2"]) == "S1"
    assert find_code("s2", ["S1", "S2"]) == "S2"
    assert find_code("1", ["01", "02"]) == "01"
    assert find_code("1", ["01", "1.0"]) is None
    assert find_code("3", ["01", "02"]) is None

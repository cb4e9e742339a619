"""Label files: found below a root, read whatever their form, and turned into settings that adapter ``csv`` takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_au.data_check.label_tables import TableGuess, guess_tables
from fer_au.datasets.base import create_adapter, examine_dataset
from fer_au.datasets.files import list_pictures
from tests.data_check.conftest import Write

PATHS = ("images/a/0.jpg", "images/a/1.jpg", "images/b/2.jpg", "images/b/3.jpg")
NAMES = ("a/0.jpg", "a/1.jpg", "b/2.jpg", "b/3.jpg")
WORDS = ("happy", "sad", "fear", "anger")


def guess(root: Path, **given: object) -> list[TableGuess]:
    return guess_tables(root, list_pictures(root), given)


def text(delimiter: str, header: str = "", names: tuple[str, ...] = NAMES) -> str:
    rows = [delimiter.join(pair) for pair in zip(names, WORDS, strict=True)]
    return "\n".join([header] * bool(header) + rows)


@pytest.mark.parametrize("header", ["", "path{}mood"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_a_table_of_any_form_is_taken_as_it_is(write: Write, delimiter: str, header: str) -> None:
    root = write(*PATHS, list__txt=text(delimiter, header.format(delimiter)))
    (found,) = guess(root)
    assert found.rows == 4
    assert found.settings["images"] == "images"
    assert ("header" in found.settings) == (not header)
    config, faults = examine_dataset("x", {"adapter": "csv", "root": str(root), **found.settings})
    assert not faults
    scan = create_adapter("csv").scan(config)
    assert sorted((one.path, one.label) for one in scan.records)[0] == ("images/a/0.jpg", "happiness")
    assert len(scan.records) == 4


def test_another_encoding_is_found(write: Write) -> None:
    root = write("é.jpg", "1.jpg")
    (root / "l.csv").write_bytes("file,mood\né.jpg,happy\n1.jpg,sad\n".encode("cp1252"))
    (found,) = guess(root)
    assert found.settings["encoding"] == "cp1252"
    (root / "l.csv").write_bytes("\ufefffile,mood\né.jpg,happy\n1.jpg,sad\n".encode())
    assert "encoding" not in guess(root)[0].settings
    assert guess(root)[0].settings["columns"] == {"image": "file", "label": "mood"}


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (tuple(name.replace("/", "\\") for name in NAMES), "with / for \\"),
        (tuple(name.upper() for name in NAMES), "in other upper and lower case"),
        (tuple(name.removesuffix(".jpg") for name in NAMES), "with another suffix"),
    ],
)
def test_names_that_only_nearly_are_files_are_a_fault_with_its_cause(
    write: Write, names: tuple[str, ...], cause: str
) -> None:
    (found,) = guess(write(*PATHS, l__csv=text(",", "file,mood", names)))
    assert found.settings["images"] == "images"
    assert f"4 are there {cause}" in found.fault


def test_other_texts_and_tables_are_left_alone(write: Write) -> None:
    root = write(*PATHS, readme__txt="Some words, and more of them.\n", sizes__csv="name,size\nx,3\ny,4\n", e__csv="")
    (root / "bytes.csv").write_bytes(bytes(range(256)))
    assert guess(root) == []


def test_likely_names_come_first_and_a_given_table_is_the_only_one(write: Write) -> None:
    both = text(",", "file,mood")
    root = write(*PATHS, a__csv=both, labels__csv=both)
    assert [one.labels for one in guess(root)] == ["labels.csv", "a.csv"]
    assert [one.labels for one in guess(root, labels="a.csv")] == ["a.csv"]
    (found,) = guess(root, labels="a.csv", columns={"label": "mood"})
    assert "columns.label" not in [one.key for one in found.guesses]


def test_points_of_a_table_with_a_column_for_each_are_read_from_it(write: Write) -> None:
    header = ",".join(["file", "mood", *(f"{axis}{number}" for number in range(68) for axis in "xy")])
    rows = [",".join([name, word, *["3"] * 136]) for name, word in zip(NAMES, WORDS, strict=True)]
    (found,) = guess(write(*PATHS, l__csv="\n".join([header, *rows])))
    assert found.settings["points"] == {"file": "l.csv", "id": "file"}

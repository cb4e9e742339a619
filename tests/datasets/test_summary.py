"""What a data set holds, in words: labels and files by name, remedies, empty splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_au.config.data import DatasetConfig
from fer_au.datasets.files import list_pictures
from fer_au.datasets.folder import FolderConfig
from fer_au.datasets.labels import parse_label, unknown_label
from fer_au.datasets.manifest import ManifestRow
from fer_au.datasets.summary import count_line, count_table, empty_split_lines, reject_lines
from fer_au.rejects import Reason, Reject

FOLDER = FolderConfig(adapter="folder", root=Path("faces"))


def rows(*places: str, fold: str | None = None) -> list[ManifestRow]:
    """Faces, each at ``split/label``."""
    return [
        ManifestRow(f"{n}.jpg", f"{n}.jpg", "0" * 64, place.split("/")[0], fold, place.split("/")[1], None, 9, 9, None)  # type: ignore[arg-type]
        for n, place in enumerate(places)
    ]


def unknown(*labels: str) -> list[Reject]:
    faults = [parse_label(label, {}) for label in labels]
    return [Reject(f"{n}.jpg", *fault) for n, fault in enumerate(faults) if not isinstance(fault, str)]


def test_unknown_labels_are_listed_with_numbers_near_names_and_a_remedy() -> None:
    (line,) = reject_lines(unknown(*["Freude"] * 20, *["Wut"] * 19, "happyness", "Angst"), FOLDER)
    assert line == (
        "rejected: 41 unknown_label: Freude (20), Wut (19), Angst (1), happyness (1, happiness?); say what they mean, "
        "`label_map: {Freude: EXPRESSION, Wut: EXPRESSION, ...}` (null leaves a label out)"
    )


def test_a_remedy_names_the_near_expression_and_only_keys_that_the_adapter_has() -> None:
    assert "`label_map: {suprise: surprise}`" in reject_lines(unknown("suprise"), FOLDER)[0]
    assert "`label_map: {'a: b': EXPRESSION, '3': EXPRESSION}`" in reject_lines(unknown("a: b", "a: b", "3"), FOLDER)[0]
    line = reject_lines(unknown("suprise"), DatasetConfig(adapter="own", root=Path()))[0]
    assert line == "rejected: 1 unknown_label: suprise (1, surprise?)"


@pytest.mark.parametrize("label", ["it's", "label 'x'", "3", "ein Wort", "müde"])
def test_a_label_is_found_again_in_its_reject(label: str) -> None:
    (reject,) = unknown(label)
    assert unknown_label(reject.detail) == label
    assert unknown_label("another package's words") == "another package's words"


def test_files_are_named_up_to_ten_and_reasons_come_by_number() -> None:
    rejects = [Reject(f"{n:02}.jpg", Reason.NOT_AN_IMAGE) for n in range(13)] + [Reject("a.jpg", Reason.TRUNCATED)]
    first = ", ".join(f"{n:02}.jpg" for n in range(10))
    assert reject_lines(rejects, FOLDER) == [
        f"rejected: 13 not_an_image: {first}, and 3 more",
        "rejected: 1 truncated: a.jpg",
    ]
    assert reject_lines([], FOLDER) == ["rejected: none"]


def test_files_that_no_one_takes_for_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    for name in ("readme.txt", ".DS_Store", "1.jpg"):
        (tmp_path / "happy" / name).touch()
    listing = list_pictures(tmp_path)
    assert listing.pictures == ["happy/1.jpg"]
    (note,) = listing.notes(tmp_path)
    assert note.endswith("that are named like no picture: happy/.DS_Store, happy/readme.txt")
    assert f" 2 file(s) below {tmp_path} " in note


def test_counts_stand_in_a_table_and_in_a_line() -> None:
    faces = rows("train/sadness", "train/sadness", "train/happiness", "test/happiness")
    assert [line.split() for line in count_table(faces)] == [
        ["faces", "train", "valid", "test", "all"],
        ["happiness", "1", "0", "1", "2"],
        ["sadness", "2", "0", "0", "2"],
        ["all", "3", "0", "1", "4"],
    ]
    assert len({len(line) for line in count_table(faces)}) == 1
    assert count_line(faces) == "4 faces: train 3 (happiness 1, sadness 2); valid 0; test 1 (happiness 1)"


def test_an_empty_split_has_a_remedy_unless_it_was_asked_for_or_folds_make_it() -> None:
    def lines(faces: list[ManifestRow], **keys: float) -> list[str]:
        config = FOLDER.model_copy(update={"valid_fraction": 0.0, **keys})
        return [line.split(":")[0] for line in empty_split_lines(faces, config)]

    assert lines(rows("train/sadness")) == ["split valid is empty", "split test is empty"]
    assert lines(rows("train/sadness"), test_fraction=0.2, valid_fraction=0.1) == []
    assert lines(rows("test/sadness"), valid_fraction=0.1) == ["split train is empty"]
    assert lines(rows("train/sadness", fold="1")) == []
    assert lines([]) == []

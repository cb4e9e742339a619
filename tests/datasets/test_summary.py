"""What a data set holds, in words: labels and files by name, remedies, empty splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_au.config.data import DatasetConfig
from fer_au.datasets.files import list_pictures
from fer_au.datasets.folder import FolderConfig
from fer_au.datasets.labels import NO_ROW, parse_label, unknown_label
from fer_au.datasets.manifest import ManifestRow
from fer_au.datasets.summary import count_line, reject_lines, small_split_lines, split_lines
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
        "`label_map: {Freude: EXPRESSION, Wut: EXPRESSION, Angst: EXPRESSION, happyness: happiness}` "
        "(null leaves a label out)"
    )


def test_a_remedy_names_the_near_expression_and_only_keys_that_the_adapter_has() -> None:
    assert "`label_map: {suprise: surprise}`" in reject_lines(unknown("suprise"), FOLDER)[0]
    assert "`label_map: {'a: b': EXPRESSION, 3: EXPRESSION}`" in reject_lines(unknown("a: b", "a: b", "3"), FOLDER)[0]
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
        f"rejected: 13 not_an_image: {first}, and 3 more; read are JPEG, PNG, WebP, BMP and TIFF",
        "rejected: 1 truncated: a.jpg; copy or download them again",
    ]
    assert reject_lines([], FOLDER) == ["rejected: none"]


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.UNKNOWN_LABEL])
def test_every_reason_carries_its_most_frequent_details(reason: Reason) -> None:
    (line,) = reject_lines([Reject(f"{n}.jpg", reason, "split 'dev'\nis none") for n in range(3)], FOLDER)
    assert line.startswith(f"rejected: 3 {reason.value} (split 'dev' is none): 0.jpg, 1.jpg, 2.jpg")
    details = ["names no picture", "b", "c", "d", "e", *["split 'dev' is none"] * 20]
    (line,) = reject_lines([Reject(f"{n:02}.jpg", reason, detail) for n, detail in enumerate(details)], FOLDER)
    shown = "20: split 'dev' is none; 1: b; 1: c; 3 other reasons"
    assert line.startswith(f"rejected: 25 {reason.value} ({shown}): 00.jpg, 01.jpg, ")


@pytest.mark.parametrize(
    ("missing", "unnamed", "once"), [(12, 12, True), (80, 11, True), (12, 13, False), (9, 9, False)]
)
def test_pictures_that_rows_call_by_other_names_are_one_cause(missing: int, unnamed: int, once: bool) -> None:
    rejects = [Reject(f"x{n}", Reason.MISSING_FILE, "no such file") for n in range(missing)]
    rejects += [Reject(f"{n:02}.jpg", Reason.UNLABELLED, NO_ROW) for n in range(unnamed)]
    (line,) = [line for line in reject_lines(rejects, FOLDER) if "unlabelled" in line]
    assert line.startswith(f"rejected: {unnamed} unlabelled ({NO_ROW}): ")
    assert ("no more than are missing" in line) == once == ("00.jpg" not in line)


def test_spellings_of_an_unknown_label_are_one() -> None:
    line = reject_lines(unknown("Freude", "FREUDE", "freude ", "Freude", "Wut"), FOLDER)[0]
    assert ": Freude (4), Wut (1); say what they mean, `label_map: {Freude: EXPRESSION, Wut: EXPRESSION}`" in line


def test_a_handful_of_faces_that_select_the_epoch_gets_a_line() -> None:
    train = ["train/sadness", "train/happiness"]

    def lines(*places: str, fold: str | None = None) -> list[str]:
        return list(small_split_lines(rows(*train, *places, fold=fold)))

    (line,) = lines(*["valid/sadness"] * 19)
    assert line.startswith("split valid has 19 faces: below 20, it is chance which epoch is best there; ")
    assert lines("valid/sadness", *["valid/fear"] * 30)[0].startswith("split valid has 1 face: ")
    assert lines(*["valid/sadness"] * 20) == lines() == lines("valid/sadness", fold="1") == []


def test_files_that_no_one_takes_for_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    for name in ("readme.txt", "notes.md", "1.jpg"):
        (tmp_path / "happy" / name).touch()
    listing = list_pictures(tmp_path)
    assert listing.pictures == ["happy/1.jpg"]
    (note,) = listing.notes(tmp_path)
    assert note.endswith("that are named like no picture: happy/notes.md, happy/readme.txt")
    assert f" 2 file(s) below {tmp_path} " in note


def test_counts_stand_in_a_line() -> None:
    faces = rows("train/sadness", "train/sadness", "train/happiness", "test/happiness")
    assert count_line(faces) == "4 faces: train 3 (happiness 1, sadness 2); valid 0; test 1 (happiness 1)"


def test_an_empty_split_has_a_remedy_unless_it_was_asked_for_or_folds_make_it() -> None:
    def lines(faces: list[ManifestRow], **keys: float) -> list[str]:
        config = FOLDER.model_copy(update={"valid_fraction": 0.0, **keys})
        return [line.split(":")[0] for line in split_lines(faces, config)]

    two = "train/sadness", "train/fear"
    assert lines(rows(*two)) == ["split valid is empty", "split test is empty"]
    assert lines(rows(*two), test_fraction=0.2, valid_fraction=0.1) == []
    assert lines(rows("test/sadness"), valid_fraction=0.1) == ["split train is empty"]
    assert lines(rows("train/sadness", fold="1")) == []
    assert lines([]) == []
    assert lines(rows("train/fear"), test_fraction=0.2, valid_fraction=0.1) == ["split train has no class but fear"]
    assert lines(rows(*two, "valid/fear", "test/anger")) == ["split test has only anger"]


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (Reason.UNSUPPORTED_FORMAT, "read are JPEG, PNG, WebP, BMP and TIFF: convert them, such as by `magick mogrify"),
        (Reason.NOT_AN_IMAGE, "read are JPEG, PNG, WebP, BMP and TIFF"),
        (Reason.TRUNCATED, "copy or download them again"),
        (Reason.MISSING_FILE, "looked up below /pictures"),
    ],
)
def test_a_reason_with_one_remedy_names_it(reason: Reason, said: str) -> None:
    config = DatasetConfig(adapter="own", root=Path("/pictures"))
    (line,) = reject_lines([Reject("a.x", reason, "")], config)
    assert line.startswith(f"rejected: 1 {reason.value}: a.x; {said}")


@pytest.mark.parametrize("suffix", [".raw", ".CR2", ".nef", ".dng", ".arw"])
def test_raw_pictures_beside_the_others_are_passed_over_with_advice(tmp_path: Path, suffix: str) -> None:
    for name in ("a.jpg", f"a{suffix}", "b.txt"):
        (tmp_path / name).write_bytes(b"x")
    text, raw = list_pictures(tmp_path).notes(tmp_path)
    assert text.endswith("named like no picture: b.txt")
    assert f"of cameras' raw formats: a{suffix}; read are JPEG, PNG, WebP, BMP and TIFF: convert" in raw

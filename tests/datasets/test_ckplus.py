"""Adapter ``ckplus``: last frames of labelled sequences, the first one as neutral, contempt, folds of persons."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from fer_au.datasets.recognition import fitting_adapters
from fer_au.errors import DataError
from tests.datasets.miniatures.ckplus import IMAGES, LABELS, write, write_sequence
from tests.datasets.official import check_outline, reasons, scan, survey


@pytest.fixture
def ckplus(tmp_path: Path) -> Path:
    write(tmp_path / "CK+")
    return tmp_path / "CK+"


def names(found: object, sequence: str) -> list[tuple[str, str]]:
    records = found.records  # type: ignore[attr-defined]
    return sorted((one.path[-6:-4], one.label) for one in records if f"/{sequence}/" in one.path)


def test_the_last_frames_have_the_sequences_label(ckplus: Path) -> None:
    found = scan("ckplus", ckplus)
    assert names(found, "S010/001") == [("04", "contempt"), ("05", "contempt"), ("06", "contempt")]
    assert names(found, "S010/003") == [("06", "anger"), ("07", "anger"), ("08", "anger")]
    assert {one.subject for one in found.records} == {f"S{10 + number:03d}" for number in range(10)}
    assert {one.label for one in found.records} == {
        "contempt", "anger", "disgust", "fear", "happiness", "sadness", "surprise"
    }  # fmt: skip
    assert names(scan("ckplus", ckplus, last_frames=1), "S010/001") == [("06", "contempt")]
    check_outline("ckplus", ckplus)


def test_the_first_frame_is_neutral_by_option_and_nothing_else(ckplus: Path) -> None:
    found = scan("ckplus", ckplus, first_as_neutral=True, last_frames=1)
    assert names(found, "S010/001") == [("01", "neutral"), ("06", "contempt")]
    assert len(found.records) == 2 * 30
    long = scan("ckplus", ckplus, first_as_neutral=True, last_frames=50)
    assert names(long, "S010/001") == [("01", "neutral"), *((f"{n:02d}", "contempt") for n in range(2, 7))]
    check_outline("ckplus", ckplus, first_as_neutral=True, last_frames=2)


def test_contempt_is_left_out_by_its_code(ckplus: Path) -> None:
    found = scan("ckplus", ckplus, label_map={2: None})
    assert "contempt" not in {one.label for one in found.records}
    assert sum(reject.reason.value == "unlabelled" for reject in found.rejects) == 10 * 3 + 10


def test_a_sequence_without_a_label_is_one_row_and_no_loss(ckplus: Path) -> None:
    found = scan("ckplus", ckplus)
    assert reasons(found) == {f"{IMAGES}/S{10 + number:03d}/004": "unlabelled" for number in range(10)}
    assert found.rejects[0].detail == "a sequence of 9 frames without a label"
    assert len(survey("ckplus", ckplus).rows) == 90
    assert found.notes[0] == "CK+ has 327 sequences with a label, of 118 persons; here are 30 of 10"


def test_no_person_is_in_two_folds(ckplus: Path) -> None:
    persons = defaultdict(set)
    for one in scan("ckplus", ckplus, folds=5).records:
        persons[one.subject].add(one.fold)
    assert all(len(folds) == 1 for folds in persons.values())
    assert {fold for folds in persons.values() for fold in folds} == set("01234")


def test_faults_of_single_sequences_are_rows(ckplus: Path) -> None:
    write_sequence(ckplus, "S900", "001", 4, "9")
    write_sequence(ckplus, "S900", "002", 4, "1")
    (ckplus / LABELS / "S900/002/S900_002_00000009_emotion.txt").write_text("3.0")
    write_sequence(ckplus, "S900", "003", 0, "1")
    write_sequence(ckplus, "S900", "004", 3, "1")
    (ckplus / LABELS / "S900/004/S900_004_00000003_emotion.txt").write_text("\n")
    write_sequence(ckplus, "S900", "005", 3, None)
    (ckplus / LABELS / "S900/005/S900_005_00000003_EMOTION.TXT").write_bytes(b"\xef\xbb\xbf5.0\r\n")
    shutil.copy(ckplus / IMAGES / "S900/005/S900_005_00000001.png", ckplus / IMAGES / "stray.png")
    found = scan("ckplus", ckplus)
    own = {id_: reason for id_, reason in reasons(found).items() if "S900" in id_ or "stray" in id_}
    assert own == {
        f"{IMAGES}/stray.png": "unlabelled",
        f"{IMAGES}/S900/002": "conflicting_labels",
        f"{IMAGES}/S900/003": "missing_file",
        f"{IMAGES}/S900/004": "bad_row",
        **{f"{IMAGES}/S900/001/S900_001_{frame:08d}.png": "unknown_label" for frame in (2, 3, 4)},
    }
    assert {one.label for one in found.records if one.subject == "S900"} == {"happiness"}


def test_half_of_the_set_is_one_line(ckplus: Path) -> None:
    assert fitting_adapters(ckplus) == ["ckplus"]
    (ckplus / LABELS).rename(ckplus / "FACS")
    with pytest.raises(DataError) as caught:
        scan("ckplus", ckplus)
    assert str(caught.value) == (
        f"{ckplus}: no folder Emotion; CK+ has both, each in an archive of its own; folders found: FACS, {IMAGES}"
    )
    (ckplus / "FACS").rename(ckplus / "Emotion_labels")
    assert len(scan("ckplus", ckplus).records) == 90
    for file in (ckplus / "Emotion_labels").rglob("*.txt"):
        file.unlink()
    with pytest.raises(DataError, match=r"no file ends in _emotion\.txt: no sequence has a label"):
        scan("ckplus", ckplus)


def test_a_stray_picture_is_no_peak_of_a_sequence(ckplus: Path) -> None:
    before = scan("ckplus", ckplus)
    stray = ckplus / IMAGES / "S010/001/zzz_copy.png"
    shutil.copy(next(stray.parent.iterdir()), stray)
    found = scan("ckplus", ckplus)
    assert found.records == before.records
    assert reasons(found)[f"{IMAGES}/S010/001/zzz_copy.png"] == "unlabelled"

"""Adapter ``rafdb``: the owners' folder with crops or photographs, Kaggle's folders, and their traps."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from fer_au.datasets.recognition import fitting_adapters
from fer_au.errors import DataError
from tests.datasets.miniatures.noise import write_noise
from tests.datasets.miniatures.rafdb import COUNTS, LIST, write, write_kaggle
from tests.datasets.official import check_outline, reasons, scan, survey

LABELS = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]  # codes from 1


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "RAF-DB")
    return tmp_path / "RAF-DB"


def test_the_list_gives_label_and_split_of_each_crop(root: Path) -> None:
    found = survey("rafdb", root, valid_fraction=0)
    assert {row.id: (row.label, row.split, row.box) for row in found.rows} == {
        f"basic/Image/aligned/{stem}_aligned.jpg": (LABELS[(number - 1) % 7], split, None)
        for split, width in (("train", 5), ("test", 4))
        for number in range(1, COUNTS[split] + 1)
        for stem in [f"{split}_{number:0{width}d}"]
    }
    assert found.rejects == ()
    check_outline("rafdb", root)
    inner = scan("rafdb", root / "basic")  # the root may be the folder basic itself
    assert {f"basic/{record.id}" for record in inner.records} == {row.id for row in found.rows}


def test_photographs_have_their_boxes(root: Path) -> None:
    found = survey("rafdb", root, pictures="original")
    assert len(found.rows) == 21
    assert {row.box for row in found.rows} == {(5.5, 6.0, 45.25, 48.0)}
    assert found.rows[-1].id == "basic/Image/original/train_00014.jpg"
    check_outline("rafdb", root, pictures="original")


def test_a_list_of_another_encoding_names_no_key_that_the_adapter_lacks(root: Path) -> None:
    (root / "basic" / LIST).write_bytes("train_00001.jpg 5".encode("utf-16"))
    with pytest.raises(DataError, match=r"not utf-8 text; save it as UTF-8: utf-16 reads it; a line of RAF-DB is"):
        scan("rafdb", root)


def test_kaggles_folders_are_codes_from_1(tmp_path: Path) -> None:
    write_kaggle(tmp_path)
    found = scan("rafdb", tmp_path)
    assert {record.path.split("/")[2]: record.label for record in found.records} == {
        str(code): label for code, label in enumerate(LABELS, 1)
    }
    assert Counter(record.split for record in found.records) == COUNTS
    assert found.rejects == ()
    check_outline("rafdb", tmp_path)
    assert len(scan("rafdb", tmp_path / "DATASET").records) == 21
    with pytest.raises(DataError, match="Kaggle's folders have the aligned pictures alone"):
        scan("rafdb", tmp_path, pictures="original")


def test_contradictions_in_kaggles_copy_are_rejects(tmp_path: Path) -> None:
    write_kaggle(tmp_path)
    train = tmp_path / "DATASET/train"
    (train / "1/train_00001_aligned.jpg").rename(train / "2/train_00001_aligned.jpg")
    (train / "3/train_00003_aligned.jpg").unlink()
    write_noise(train / "4/test_0004_aligned.jpg")
    write_noise(train / "9/train_00999_aligned.jpg")
    write_noise(train / "stray.jpg")
    assert reasons(scan("rafdb", tmp_path)) == {
        "DATASET/train/2/train_00001_aligned.jpg": "conflicting_labels",
        "train_00003_aligned.jpg": "missing_file",
        "DATASET/train/4/test_0004_aligned.jpg": "bad_row",
        "DATASET/train/9/train_00999_aligned.jpg": "unknown_label",
        "DATASET/train/stray.jpg": "unlabelled",
    }


def test_faults_of_the_list_and_the_boxes_are_rejects(root: Path) -> None:
    basic = root / "basic"
    lines = (basic / LIST).read_text().splitlines()
    lines[0] = "train_00001.jpg 0"
    lines[1] = "train_00002.jpg 8"
    lines[2] = "train_00003.jpg"
    lines += ["train_00004.jpg 4", "train_00005.jpg 6", "valid_00001.jpg 1", "../../x.jpg 1"]
    (basic / LIST).write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    (basic / "Annotation/boundingbox/train_00006_boundingbox.txt").write_text("5 6 7")
    (basic / "Annotation/boundingbox/train_00007_boundingbox.txt").write_text("9 6 5 48")
    (basic / "Annotation/boundingbox/train_00008_boundingbox.txt").unlink()
    (basic / "Image/original/train_00009.jpg").unlink()
    write_noise(basic / "Image/original/unlisted.jpg")
    found = survey("rafdb", root, pictures="original", max_reject_fraction=0.9)
    names = {id_.rpartition("/")[2]: reason for id_, reason in reasons(found).items()}
    assert names == {
        "train_00001.jpg": "unknown_label",
        "train_00002.jpg": "unknown_label",
        "train_00003.jpg": "unlabelled",
        "train_00005.jpg": "conflicting_labels",
        "train_00006.jpg": "bad_row",
        "train_00007.jpg": "bad_row",
        "train_00008.jpg": "bad_row",
        "train_00009.jpg": "missing_file",
        "valid_00001.jpg": "bad_row",
        "x.jpg": "bad_row",
        "unlisted.jpg": "unlabelled",
    }
    assert any(row.id.endswith("train_00004.jpg") for row in found.rows)  # said twice, and alike


def test_half_of_the_set_is_said(root: Path) -> None:
    assert "RAF-DB has more: here are 14 of 12271 train, 7 of 3068 test" in scan("rafdb", root).notes
    aligned = root / "basic/Image/aligned"
    aligned.rename(root / "moved")
    with pytest.raises(DataError, match=r"aligned: no such folder: the original pictures are there, say `pictures: o"):
        scan("rafdb", root)
    (root / "basic/Image/aligned.zip").write_bytes(b"")
    with pytest.raises(DataError, match=r"aligned: no such folder, but aligned\.zip: unpack it"):
        scan("rafdb", root)
    (root / "basic/Annotation").rename(root / "annotation")
    notes = scan("rafdb", root, pictures="original").notes
    assert any("so that the photographs have no boxes of their faces" in note for note in notes)


def test_other_layouts_are_one_line(root: Path, tmp_path: Path) -> None:
    assert fitting_adapters(root) == ["rafdb"]
    write_kaggle(tmp_path / "kaggle")
    assert fitting_adapters(tmp_path / "kaggle") == ["rafdb"]
    (root / "compound").mkdir()
    (root / "basic" / LIST).unlink()
    with pytest.raises(DataError, match=r"folders found: basic, compound; the compound set has classes of two express"):
        scan("rafdb", root)
    (root / "basic" / LIST).write_text("a\nb\n")
    with pytest.raises(DataError, match=r"; a line of RAF-DB is `train_00001\.jpg 5`"):
        scan("rafdb", root)
    with pytest.raises(DataError, match=r"no fer2013\.csv .*; it looks like adapter rafdb"):
        scan("fer2013", root)


def test_folders_counted_from_0_are_not_taken_for_codes(tmp_path: Path) -> None:
    write_kaggle(tmp_path)
    for split in COUNTS:
        for code in range(1, 8):
            (tmp_path / "DATASET" / split / str(code)).rename(tmp_path / "DATASET" / split / str(code - 1))
    with pytest.raises(DataError, match=r"take adapter folder with `label_map: \{0: surprise, 1: fear, 2: disgust, 3"):
        scan("rafdb", tmp_path)


def test_a_correct_spelling_of_the_list_is_taken(root: Path) -> None:
    (root / "basic" / LIST).rename(root / "basic/EmoLabel/list_partition_label.txt")
    assert len(scan("rafdb", root).records) == 21

"""Adapter ``sfew``: stills and crops, and the part whose labels nobody has."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from fer_au.datasets.recognition import fitting_adapters
from fer_au.errors import DataError
from tests.datasets.miniatures.noise import write_noise
from tests.datasets.miniatures.sfew import write
from tests.datasets.official import check_outline, reasons, scan, survey

HIDDEN = {f"Test/Hidden_{number}.png": "unlabelled" for number in range(3)}


def test_val_is_the_test_split_while_the_labels_of_test_are_hidden(tmp_path: Path) -> None:
    write(tmp_path)
    found = scan("sfew", tmp_path)
    assert Counter((one.path.split("/")[0], one.split) for one in found.records) == {
        ("Train", "train"): 28,
        ("Val", "test"): 7,
    }
    assert {one.path.split("/")[1]: one.label for one in found.records} == {
        "Angry": "anger", "Disgust": "disgust", "Fear": "fear", "Happy": "happiness", "Neutral": "neutral",
        "Sad": "sadness", "Surprise": "surprise",
    }  # fmt: skip
    assert reasons(found) == HIDDEN
    assert {reject.detail for reject in found.rejects} == {"its label was never published"}
    assert "Val is the test split, as the labels of Test were never published" in found.notes
    assert "SFEW 2.0 has 958 pictures in Train; here are 28" in found.notes
    check_outline("sfew", tmp_path)
    made = survey("sfew", tmp_path, valid_fraction=0.2)
    assert {row.split for row in made.rows} == {"train", "valid", "test"}  # what nobody labelled is no loss


def test_labels_of_test_make_val_what_its_name_says(tmp_path: Path) -> None:
    write(tmp_path)
    write_noise(tmp_path / "Test/Angry/Late_1.png")
    found = scan("sfew", tmp_path)
    assert Counter(one.split for one in found.records) == {"train": 28, "valid": 7, "test": 1}
    check_outline("sfew", tmp_path)


def test_crops_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "_Aligned_Faces")
    with pytest.raises(DataError, match="its folders are those of the aligned pictures: say `pictures: aligned`"):
        scan("sfew", tmp_path)
    assert len(scan("sfew", tmp_path, pictures="aligned").records) == 35
    write(tmp_path)
    assert {one.path.split("/")[0] for one in scan("sfew", tmp_path).records} == {"Train", "Val"}
    assert "sfew" in fitting_adapters(tmp_path)


def test_half_of_the_set_and_strange_folders(tmp_path: Path) -> None:
    write(tmp_path)
    write_noise(tmp_path / "Train/Bored/1.png")
    write_noise(tmp_path / "Train/stray.png")
    assert reasons(scan("sfew", tmp_path)) == {
        **HIDDEN,
        "Train/Bored/1.png": "unknown_label",
        "Train/stray.png": "unlabelled",
    }
    shutil.rmtree(tmp_path / "Val")
    with pytest.raises(DataError, match=r"no folder Val; folders found: Test, Train; it looks like adapter folder$"):
        scan("sfew", tmp_path)


def test_a_class_is_left_out(tmp_path: Path) -> None:
    write(tmp_path)
    assert "neutral" not in {one.label for one in scan("sfew", tmp_path, label_map={"Neutral": None}).records}

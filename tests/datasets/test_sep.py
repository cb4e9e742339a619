"""Adapter ``sep``: split folders with headerless label files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.datasets import Scan
from fer_au.datasets.recognition import fitting_adapters
from fer_au.datasets.sep import SepAdapter, SepConfig
from fer_au.errors import DataError

CODES = ["happiness", "surprise", "sadness", "anger", "disgust", "fear"]


@pytest.fixture
def make(add: Callable[..., Path]) -> Callable[[Path], Path]:
    def build(root: Path) -> Path:
        for split in ("train", "test"):
            rows = []
            for code, name in enumerate(CODES):
                add(root / split / f"{split}_{code}_{name}.jpg")
                rows.append(f"{split}_{code}_{name}.jpg,{code}")
            (root / f"{split}_FER_labels.csv").write_text("\n".join(rows) + "\n")
        return root

    return build


def scan(root: Path, **keys: object) -> Scan:
    return SepAdapter().scan(SepConfig.model_validate({"adapter": "sep", "root": root, **keys}))


def test_codes_and_splits_are_read_and_the_first_row_counts(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    found = scan(make(tmp_path))
    assert {(record.id, record.label, record.split) for record in found.records} == {
        (f"{split}/{split}_{code}_{name}.jpg", name, split)
        for split in ("train", "test")
        for code, name in enumerate(CODES)
    }
    assert found.rejects == ()


def test_only_one_set_below_looks_like_it_and_not_like_fer2013(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    one = make(tmp_path / "archive/FER2013")
    for path in [*one.rglob("*.jpg")]:
        use = "Training" if path.parent.name == "train" else "PublicTest"
        path.rename(path.with_name(f"{use}_{path.name}"))
    assert fitting_adapters(one) == fitting_adapters(one.parent) == ["sep"]
    make(tmp_path / "archive/RAF-DB")
    assert fitting_adapters(one.parent) == []


def test_the_root_may_be_the_folder_above_the_only_set(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    make(tmp_path / "FER2013")
    (tmp_path / "docs").mkdir()
    assert all(record.id.startswith("FER2013/t") for record in scan(tmp_path).records)
    make(tmp_path / "RAF-DB")
    with pytest.raises(DataError, match=r"several sets below it \(FER2013, RAF-DB\)"):
        scan(tmp_path)


def test_faults_are_rejects(tmp_path: Path, make: Callable[[Path], Path], add: Callable[..., Path]) -> None:
    root = make(tmp_path)
    add(root / "train" / "unlisted_fear.jpg")
    (root / "train_FER_labels.csv").write_text(
        "train_0_happiness.jpg,5\ntrain_1_surprise.jpg,6\n,0\ntrain_2_sadness.jpg,2\ntrain_2_sadness.jpg,2\n"
        "train_3_anger.jpg,3\ntrain_3_anger.jpg,4\ntrain_4_disgust.jpg\ntrain_5_fear.jpg,5\n"
    )
    found = scan(root)
    assert {reject.id: reject.reason.value for reject in found.rejects} == {
        "train/train_0_happiness.jpg": "conflicting_labels",
        "train/train_1_surprise.jpg": "unknown_label",
        "train_FER_labels.csv:3": "bad_row",
        "train/train_3_anger.jpg": "conflicting_labels",
        "train/train_4_disgust.jpg": "unlabelled",
        "train/unlisted_fear.jpg": "unlabelled",
    }
    assert sorted(r.id for r in found.records if r.split == "train") == [
        "train/train_2_sadness.jpg",
        "train/train_5_fear.jpg",
    ]


def test_a_split_folder_without_a_label_file_is_not_forgotten(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    root = make(tmp_path)
    (root / "test_FER_labels.csv").unlink()
    found = scan(root)
    assert {record.split for record in found.records} == {"train"}
    assert len(found.rejects) == 6


def test_other_layouts_are_one_line(tmp_path: Path, make: Callable[[Path], Path], add: Callable[..., Path]) -> None:
    add(tmp_path / "plain" / "train" / "happy" / "1.jpg")
    with pytest.raises(DataError, match="no split folder with a label file"):
        scan(tmp_path / "plain")
    make(tmp_path / "twice")
    (tmp_path / "twice" / "train_RAF_labels.csv").write_text("")
    with pytest.raises(DataError, match="several label files for train"):
        scan(tmp_path / "twice")


def test_half_of_the_set_is_told(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    root = make(tmp_path / "set")
    (root / "train_FER_labels.csv").unlink()
    assert scan(root).notes[0] == "train: there is no label file train_..._labels.csv beside it"
    root = make(tmp_path / "other")
    shutil.rmtree(root / "test")
    text = "test_FER_labels.csv: there is no folder test beside it, so that its pictures are missing"
    assert scan(root).notes[0] == text

"""Which adapter a folder looks like, and that a look at names is enough to say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.datasets.base import examine_dataset
from fer_au.datasets.recognition import fitting_adapters, fitting_text
from fer_au.datasets.stage import survey_dataset
from fer_au.errors import DataError
from tests.datasets.miniatures import jaffe, kdef
from tests.datasets.official import scan


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["happy/1.jpg", "sad/1.jpg"], ["folder"]),
        (["train/happy/1.jpg", "test/happy/1.jpg"], ["folder"]),
        (["train/1_fear.jpg", "train_FER_labels.csv"], ["sep"]),
        (["FER2013/train/1_fear.jpg", "FER2013/train_FER_labels.csv"], ["sep"]),
        (["1.jpg"], []),
    ],
)
def test_a_layout_is_recognised(
    tmp_path: Path, add: Callable[..., Path], files: list[str], expected: list[str]
) -> None:
    for name in files:
        add(tmp_path / name, b"no picture is opened")
    assert fitting_adapters(tmp_path) == expected
    assert fitting_text(tmp_path, "csv") == (f"; it looks like adapter {expected[0]}" if expected else "")
    assert not expected or fitting_text(tmp_path, expected[0]) == ""


def test_a_missing_folder_looks_like_none(tmp_path: Path) -> None:
    assert fitting_adapters(tmp_path / "absent") == []


@pytest.mark.parametrize(
    ("adapter", "keys"),
    [
        ("folder", {}),
        ("sep", {}),
        ("video", {}),
        ("video", {"labels": "clips.csv"}),
        ("csv", {"labels": "labels.csv", "columns": {"image": 0, "label": 1}, "header": False}),
        ("jaffe", {}),
        ("fer2013", {}),
    ],
)
def test_a_wrong_adapter_names_the_right_one(adapter: str, keys: dict[str, object], tmp_path: Path) -> None:
    kdef.write(tmp_path)
    with pytest.raises(DataError, match=r"; it looks like adapter kdef$"):
        scan(adapter, tmp_path, **keys)


def test_a_folder_without_a_labelled_picture_names_the_right_adapter(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy/a.mp4").write_bytes(b"a clip")
    config, _ = examine_dataset("x", {"adapter": "folder", "root": str(tmp_path)})
    assert config is not None
    with pytest.raises(DataError, match=r"no labelled picture below .*; it looks like adapter video"):
        survey_dataset("x", config).check_losses("x", config, "table")


def test_pictures_behind_a_link_are_told_where_nothing_else_is_there(tmp_path: Path) -> None:
    jaffe.write(tmp_path / "far")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/jaffe").symlink_to(tmp_path / "far")
    with pytest.raises(DataError, match=r"no picture is named as those of JAFFE.*; jaffe: a link to a folder; `follow"):
        scan("jaffe", tmp_path / "set")

"""Adapter ``folder``: where a picture lies says what it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.datasets.folder import FolderAdapter, FolderConfig
from fer_au.errors import DataError


def scan(root: Path, **keys: object) -> tuple[dict[str, tuple[str, str | None]], dict[str, str]]:
    """Records (id -> label, split) and rejects (id -> reason)."""
    found = FolderAdapter().scan(FolderConfig.model_validate({"adapter": "folder", "root": root, **keys}))
    records = {record.id: (record.label, record.split) for record in found.records}
    return records, {reject.id: reject.reason.value for reject in found.rejects}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("Train", "train"),
        ("valid", "valid"),
        ("val", "valid"),
        ("validation", "valid"),
        ("test", "test"),
    ],
)
def test_split_folders_set_the_split(tmp_path: Path, add: Callable[..., Path], name: str, split: str) -> None:
    add(tmp_path / name / "Happy" / "1.jpg")
    add(tmp_path / name / "SADNESS" / "x" / "1.PNG")
    assert scan(tmp_path) == (
        {f"{name}/Happy/1.jpg": ("happiness", split), f"{name}/SADNESS/x/1.PNG": ("sadness", split)},
        {},
    )


def test_class_folders_leave_the_split_open(tmp_path: Path, add: Callable[..., Path]) -> None:
    add(tmp_path / "fear" / "1.jpg")
    assert scan(tmp_path) == ({"fear/1.jpg": ("fear", None)}, {})


def test_codes_are_named_by_the_label_map(tmp_path: Path, add: Callable[..., Path]) -> None:
    for code in "123":
        add(tmp_path / "train" / code / "1.jpg")
    records, rejects = scan(tmp_path, label_map={1: "surprise", "2": "Happy", 3: None})
    assert records == {"train/1/1.jpg": ("surprise", "train"), "train/2/1.jpg": ("happiness", "train")}
    assert rejects == {"train/3/1.jpg": "unlabelled"}


def test_unknown_folders_and_stray_pictures_are_rejects(tmp_path: Path, add: Callable[..., Path]) -> None:
    for place in ("train/happy", "train/bored", "train", "extra/happy", "."):
        add(tmp_path / place / "1.jpg")
    records, rejects = scan(tmp_path)
    assert list(records) == ["train/happy/1.jpg"]
    assert rejects == {
        "train/bored/1.jpg": "unknown_label",
        "train/1.jpg": "unlabelled",
        "extra/happy/1.jpg": "unlabelled",
        "1.jpg": "unlabelled",
    }


def test_a_root_that_is_one_folder_too_high_says_so(tmp_path: Path, add: Callable[..., Path]) -> None:
    add(tmp_path / "DATASET" / "train" / "happy" / "1.jpg")
    with pytest.raises(DataError, match="folders found: DATASET"):
        scan(tmp_path)


def test_links_to_folders_are_rejects_and_not_followed(tmp_path: Path, add: Callable[..., Path]) -> None:
    add(tmp_path / "raw/happy/1.jpg")
    (tmp_path / "raw/happy/again").symlink_to(tmp_path / "raw")
    records, rejects = scan(tmp_path / "raw")
    assert list(records) == ["happy/1.jpg"]
    assert rejects == {"happy/again": "not_an_image"}


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [(r"^(.+)_\d+$", "George_W_Bush"), (r"George", "George"), (r"happy/([A-Z])", "G"), (r"^\d+$", None)],
)
def test_the_subject_is_found_in_the_name_or_the_path(
    tmp_path: Path, add: Callable[..., Path], pattern: str, subject: str | None
) -> None:
    add(tmp_path / "happy" / "George_W_Bush_0012.jpg")
    config = FolderConfig.model_validate({"adapter": "folder", "root": tmp_path, "subject_pattern": pattern})
    assert [record.subject for record in FolderAdapter().scan(config).records] == [subject]

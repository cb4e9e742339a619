"""Adapter ``folder``: where a picture lies says what it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.datasets.files import resolve_below
from fer_au.datasets.folder import FolderAdapter, FolderConfig
from fer_au.errors import DataError
from fer_au.rejects import Reason, Reject


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
    assert rejects == {"happy/again": "outside_root"}


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [(r"^(.+)_\d+$", "George_W_Bush"), (r"George", "George"), (r"happy/([A-Z])", "G")],
)
def test_the_subject_is_found_in_the_name_or_the_path(
    tmp_path: Path, add: Callable[..., Path], pattern: str, subject: str
) -> None:
    add(tmp_path / "happy" / "George_W_Bush_0012.jpg")
    config = FolderConfig.model_validate({"adapter": "folder", "root": tmp_path, "subject_pattern": pattern})
    assert [record.subject for record in FolderAdapter().scan(config).records] == [subject]


def test_what_archives_and_servers_add_is_passed_over_and_counted(tmp_path: Path, add: Callable[..., Path]) -> None:
    add(tmp_path / "happy/1.jpg")
    copies = ("__MACOSX/happy/1.jpg", "happy/@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg", "#recycle/happy/1.jpg")
    hidden = ("happy/.ipynb_checkpoints/1-checkpoint.jpg", "happy/.AppleDouble/1.jpg", "happy/._1.jpg")
    for path in (*copies, *hidden, "lost+found/happy/1.jpg", "happy/Thumbs.db", "happy/.DS_Store"):
        add(tmp_path / path)
    assert scan(tmp_path) == ({"happy/1.jpg": ("happiness", None)}, {})
    (note,) = FolderAdapter().scan(FolderConfig(adapter="folder", root=tmp_path)).notes
    assert note == (
        f"passed over, 9 below {tmp_path}, hidden or added by archives or systems: #recycle/, "
        "__MACOSX/, happy/.AppleDouble/, happy/.DS_Store, happy/._1.jpg, happy/.ipynb_checkpoints/, happy/@eaDir/, "
        "happy/Thumbs.db, lost+found/"
    )


def test_pictures_that_another_tool_keeps_say_how_they_come(tmp_path: Path, add: Callable[..., Path]) -> None:
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy/1.jpg").symlink_to("../.git/annex/objects/0/1/MD5E-s9")
    add(tmp_path / "happy/2.jpg.dvc")
    for name, said in (("happy/1.jpg", "git annex get"), ("happy/2.jpg", "dvc pull")):
        found = resolve_below(tmp_path, name)
        assert isinstance(found, Reject)
        assert (found.reason, said in found.detail) == (Reason.MISSING_FILE, True)

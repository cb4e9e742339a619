"""Pictures that are links: DVC's and git-annex' own, others inside and outside the root, and links to folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.datasets.base import examine_dataset
from fer_au.datasets.content import root_digest
from fer_au.datasets.files import list_pictures, resolve_below
from fer_au.datasets.stage import Survey, survey_dataset
from fer_au.datasets.summary import reject_lines
from fer_au.errors import DataError
from fer_au.rejects import Reason, Reject

MD5 = "05af8260f3090a100ff992a068b4afbf"
STORES = {
    "DVC": f"cache/files/md5/{MD5[:2]}/{MD5[2:]}",
    "DVC before version 3": f"cache/{MD5[:2]}/{MD5[2:]}",
    "git-annex": "repo/.git/annex/objects/f8/7K/MD5E-s1-aa.jpg/MD5E-s1-aa.jpg",
}


@pytest.fixture
def root(tmp_path: Path, add: Callable[..., Path]) -> Path:
    """A root with a folder of a class, and pictures beside it."""
    for number in range(3):
        add(tmp_path / f"elsewhere/{number}.jpg")
    (tmp_path / "root/happy").mkdir(parents=True)
    return tmp_path / "root"


def survey(root: Path, **keys: object) -> tuple[Survey, list[str]]:
    config, faults = examine_dataset("x", {"adapter": "folder", "root": str(root), **keys})
    assert config is not None, faults
    found = survey_dataset("x", config)
    return found, reject_lines(found.rejects, config)


@pytest.mark.parametrize("store", STORES)
def test_files_of_a_content_store_are_the_sets_own(root: Path, tmp_path: Path, store: str) -> None:
    kept = tmp_path / STORES[store]
    kept.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "elsewhere/0.jpg", kept)
    (tmp_path / "disk").symlink_to(tmp_path)
    for name, target in {"plain": kept, "by a link": tmp_path / "disk" / STORES[store]}.items():
        (root / f"happy/{name}.jpg").symlink_to(target)
        assert isinstance(resolve_below(root.resolve(), f"happy/{name}.jpg"), Path)
    kept.unlink()
    lost = resolve_below(root.resolve(), "happy/plain.jpg")
    assert isinstance(lost, Reject)
    assert (lost.reason, lost.detail.startswith("a broken link ")) == (Reason.MISSING_FILE, True)
    assert ("git annex get" if "annex" in store else "dvc pull") in lost.detail


@pytest.mark.parametrize(
    "place", [f"{MD5[:2]}/{MD5[2:-1]}", f"{MD5[:2]}/{MD5[2:]}.jpg", "objects/a.jpg/a.jpg", f"x{MD5[:2]}/{MD5[2:]}"]
)
def test_other_places_are_no_store(root: Path, tmp_path: Path, add: Callable[..., Path], place: str) -> None:
    (root / "happy/0.jpg").symlink_to(add(tmp_path / "p" / place))
    found = resolve_below(root.resolve(), "happy/0.jpg")
    assert isinstance(found, Reject)
    assert found.reason is Reason.OUTSIDE_ROOT


def test_links_to_elsewhere_say_what_to_set_and_are_counted(root: Path, tmp_path: Path) -> None:
    for number in range(3):
        (root / f"happy/{number}.jpg").symlink_to(tmp_path / f"elsewhere/{number}.jpg")
    found, lines = survey(root)
    assert found.rows == ()
    assert lines[0].startswith(
        "rejected: 3 outside_root (a link that leads out of the root; `follow_links: true` takes such pictures): "
    )
    found, lines = survey(root, follow_links=True)
    assert ([row.path for row in found.rows], lines) == ([f"happy/{n}.jpg" for n in range(3)], ["rejected: none"])


@pytest.fixture
def with_folder(root: Path, tmp_path: Path, add: Callable[..., Path]) -> Path:
    """A root with a link to a folder of pictures outside, below a class folder."""
    for number in range(3):
        add(tmp_path / f"other/deep/{number}.jpg")
    (root / "happy/more").symlink_to(tmp_path / "other")
    return root


def test_a_link_to_a_folder_is_a_row_that_says_what_takes_it(with_folder: Path) -> None:
    found = resolve_below(with_folder.resolve(), "happy/more/deep/0.jpg")
    assert isinstance(found, Reject)
    assert found.reason is Reason.OUTSIDE_ROOT
    _, lines = survey(with_folder)
    assert "a link to a folder; `follow_links: true` takes the pictures behind it" in lines[0]


def test_pictures_behind_links_to_folders_are_taken_on_demand_and_hashed_with_the_root(
    with_folder: Path, tmp_path: Path, add: Callable[..., Path]
) -> None:
    found, _ = survey(with_folder, follow_links=True)
    assert {f"happy/more/deep/{number}.jpg" for number in range(3)} <= {row.path for row in found.rows}
    before = [root_digest(with_folder, "look", None, follow_links=follow) for follow in (False, True)]
    add(tmp_path / "other/deep/3.jpg")
    after = [root_digest(with_folder, "look", None, follow_links=follow) for follow in (False, True)]
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize("split", [False, True])
def test_a_whole_class_behind_a_link_is_not_lost_in_a_row(
    root: Path, tmp_path: Path, add: Callable[..., Path], split: bool
) -> None:
    add(tmp_path / "other/0.jpg")
    (root / "sad").symlink_to(tmp_path / "other")
    if split:
        (tmp_path / "above").mkdir()
        (tmp_path / "above/test").symlink_to(root)
        root = tmp_path / "above"
    with pytest.raises(DataError, match=r"(sad|test): a link to a folder; `follow_links: true` takes the pictures"):
        survey(root)
    found, _ = survey(root, follow_links=True)
    assert [row.path for row in found.rows if "sad/" in row.path] == ["test/sad/0.jpg" if split else "sad/0.jpg"]


LOOPS = {
    "to the root": lambda root: (root / "happy/up").symlink_to(root),
    "to all": lambda root: (root / "happy/up").symlink_to("/"),
    "to itself": lambda root: (root / "happy/up").symlink_to(root / "happy"),
    "of two": lambda root: ((root / "happy/up").symlink_to(root / "z"), (root / "z/up").symlink_to(root / "happy")),
    "from outside": lambda root: (
        (root / "happy/up").symlink_to(root.parent / "out"), (root.parent / "out/in").symlink_to(root / "happy")
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", LOOPS)
def test_links_that_lead_back_end_the_walk(kind: str, root: Path, add: Callable[..., Path]) -> None:
    add(root / "happy/0.jpg")
    for folder in (root / "z", root.parent / "out"):
        folder.mkdir()
    LOOPS[kind](root)
    found = list_pictures(root, follow_links=True)
    assert "a link to a folder that holds it" in {reject.detail for reject in found.rejects}
    assert len(found.pictures) == len(set(found.pictures)) < 20
    assert len(root_digest(root, "look", None, follow_links=True)) == 64


def test_a_workspace_of_links_that_dvc_checks_out(root: Path, tmp_path: Path) -> None:
    for number in range(3):
        shutil.copy(tmp_path / f"elsewhere/{number}.jpg", root / f"happy/{number}.jpg")
    settings = (("core.analytics", "false"), ("cache.dir", str(tmp_path / "far/cache")), ("cache.type", "symlink"))
    for command in (["init", "--no-scm", "-q"], *(["config", *one] for one in settings), ["add", "-q", "root"]):
        run = [sys.executable, "-m", "dvc", *command]
        subprocess.run(run, cwd=tmp_path, check=True, env={**os.environ, "DVC_NO_ANALYTICS": "1"})
    assert (root / "happy/0.jpg").is_symlink()
    found, lines = survey(root)
    assert (len(found.rows), lines) == (3, ["rejected: none"])


@pytest.mark.parametrize("key", ["labels", "points.file", "sep"])
def test_tables_that_lead_out_of_the_root_are_links_as_pictures_are(
    key: str, tmp_path: Path, add: Callable[..., Path]
) -> None:
    add(tmp_path / "root/train/a.png")
    away, name = tmp_path / "secrets.csv", {"labels": "labels.csv", "sep": "train_codes.csv"}.get(key, "points.csv")
    (tmp_path / "root" / name).symlink_to(away)
    entry: dict[str, object] = {"adapter": "csv", "root": str(tmp_path / "root"), "labels": "labels.csv"}
    if key == "points.file":
        (tmp_path / "root/labels.csv").write_text("image,label\ntrain/a.png,happy\n")
        away.write_text("id,x0\nroot:x:0,1\n")
        entry["points"] = {"file": name}
    else:
        away.write_text("a.png,0\n" if key == "sep" else "image,label\ntrain/a.png,happy\n")
    if key == "sep":
        entry = {"adapter": "sep", "root": entry["root"]}
    config, faults = examine_dataset("x", entry)
    assert config is not None, faults
    with pytest.raises(DataError, match=rf"{name}: a link that leads out of the root; `follow_links: true` takes it"):
        survey_dataset("x", config)
    followed, _ = examine_dataset("x", {**entry, "follow_links": True})
    assert followed is not None
    if key == "points.file":
        with pytest.raises(DataError, match=r"root:x:0|x0"):
            survey_dataset("x", followed)
    else:
        assert len(survey_dataset("x", followed).rows) == 1

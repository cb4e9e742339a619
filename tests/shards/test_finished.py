"""Finished work: whole, checked, shared; damage and refusing disks only cost the work."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from pathlib import Path

import pytest

from fer_au.errors import StoreError
from fer_au.shards.damaged import set_aside
from fer_au.shards.finished import FinishedWork
from fer_au.shards.prune import list_work, prune

FILES = {"model": b"weights" * 1000, "table": b"a,b\n"}
DAY = 24 * 3600.0


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Path]:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in FILES}


def targets(folder: Path) -> dict[str, Path]:
    return {name: folder / "out" / name for name in (*FILES, "optional")}


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "out").glob("*"))}


def test_what_was_kept_is_taken_whole(made: dict[str, Path], tmp_path: Path) -> None:
    work = FinishedWork("training", {"lr": 0.1})
    assert not work.take(targets(tmp_path))
    work.keep(made)
    assert FinishedWork("training", {"lr": 0.1}).take(targets(tmp_path))
    assert read(tmp_path) == FILES
    assert not FinishedWork("training", {"lr": 0.2}).take(targets(tmp_path))
    assert not FinishedWork("evaluation", {"lr": 0.1}).take(targets(tmp_path))
    record = json.loads((work.folder / "finished.json").read_text())
    assert record["identity"] == {"lr": 0.1}
    assert str(tmp_path) not in json.dumps(record)


def test_a_duplicate_is_harmless(made: dict[str, Path], tmp_path: Path) -> None:
    work = FinishedWork("training", {})
    work.keep(made)
    work.keep(made)
    assert work.take(targets(tmp_path))
    assert [path.name for path in work.folder.parent.iterdir()] == [work.key]


@pytest.mark.parametrize("damage", ["byte", "cut", "gone", "list"])
def test_damage_is_noticed_and_the_work_done_again(
    made: dict[str, Path], tmp_path: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    work = FinishedWork("training", {})
    work.keep(made)
    file = work.folder / ("finished.json" if damage == "list" else "model")
    file.chmod(0o644)
    data = file.read_bytes()
    file.unlink() if damage == "gone" else file.write_bytes(data[:50] if damage != "byte" else b"X" + data[1:])
    before = tmp_path / "out/model"
    before.parent.mkdir()
    before.write_bytes(b"what lay here")
    assert not work.take(targets(tmp_path))
    assert before.read_bytes() == b"what lay here"
    assert "done again" in capfd.readouterr().err or damage == "list"
    work.keep(made)
    assert work.take(targets(tmp_path))
    assert read(tmp_path) == FILES


def test_a_cache_that_refuses_is_one_line(
    made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "file"))
    work = FinishedWork("training", {})
    for step in (work.check_writable, lambda: work.keep(made)):
        with pytest.raises(StoreError, match=r"cannot write: .*; .* set FER_AU_CACHE to another folder$"):
            step()


def test_what_is_made_has_the_permissions_of_the_cache(made: dict[str, Path], root: Path) -> None:
    root.mkdir()
    root.chmod(0o2770)
    work = FinishedWork("training", {})
    work.keep(made)
    assert {stat.S_IMODE(path.stat().st_mode) for path in work.folder.iterdir()} == {0o440}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (work.folder, *work.folder.parents[:2])} == {0o2770}


def test_work_is_listed_and_pruned_with_checkpoints_and_clusterings(
    made: dict[str, Path], root: Path, tmp_path: Path
) -> None:
    old, new = FinishedWork("training", {"n": 1}), FinishedWork("evaluation", {"n": 2})
    for work, days in ((old, 40), (new, 1)):
        work.keep(made)
        for file in work.folder.iterdir():
            os.utime(file, (0, time.time() - days * DAY))
    workspace = tmp_path / ".fer_au"
    for name in ("checkpoints/ab12/state.safetensors", "clusters/cd34.h5"):
        (workspace / name).parent.mkdir(parents=True)
        (workspace / name).write_bytes(b"1234")
    assert [(work.kind, work.size > 0) for work in list_work(root, workspace)] == [
        ("training", True),
        ("evaluation", True),
        ("checkpoint", True),
        ("clusters", True),
    ]
    assert prune(root, older_than_days=30, workspace=workspace)[0] == 1
    assert not old.folder.exists()
    assert prune(root, operation="checkpoint", workspace=workspace) == (1, 4)
    assert not (workspace / "checkpoints/ab12").exists()
    assert prune(root, operation="checkpoint") == (0, 0)
    assert prune(root, max_bytes=0, workspace=workspace)[0] == 2
    assert list_work(root, workspace) == []


def test_use_is_noted(made: dict[str, Path], root: Path, tmp_path: Path) -> None:
    work = FinishedWork("training", {})
    work.keep(made)
    for file in work.folder.iterdir():
        os.utime(file, (0, 0))
    work.take(targets(tmp_path))
    assert time.time() - list_work(root)[0].used < DAY


def test_what_killed_runs_left_in_a_workspace_is_pruned(root: Path, tmp_path: Path) -> None:
    workspace = tmp_path / ".fer_au"
    names = ("tmp/.ab.cd.tmp", "checkpoints/ab12/.state.safetensors.cd.tmp", "clusters/cd34.features")
    for name in names:
        (workspace / name).parent.mkdir(parents=True)
        (workspace / name).write_bytes(b"1234")
    assert prune(root, workspace=workspace) == (0, 0)  # of a run that may still go on
    for name in names:
        os.utime(workspace / name, (0, time.time() - 2 * DAY))
    assert prune(root, workspace=workspace, dry_run=True) == (3, 12)
    assert prune(root, workspace=workspace) == (3, 12)
    assert [path for path in workspace.rglob("*") if path.is_file()] == []


def test_what_is_set_aside_stays_little_and_is_listed_and_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "cache"
    place.mkdir(mode=0o770)
    place.chmod(0o2770)
    for number in range(20):
        (place / f"{number}.h5").write_bytes(b"1234")
        set_aside(place / f"{number}.h5", place, "damaged", "its rows are computed again")
        os.utime(next((place / "damaged").glob(f"{number}.h5.*")), (number, number))
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 20
    assert re.fullmatch(
        r"\S+/0\.h5: damaged; set aside as \S+/damaged/0\.h5\.\w+, its rows are computed again", lines[0]
    )
    kept = [work.path.name.split(".")[0] for work in list_work(place)]
    assert kept == [str(number) for number in range(4, 20)]
    assert stat.S_IMODE((place / "damaged").stat().st_mode) == 0o2770
    monkeypatch.setattr("fer_au.shards.damaged._MOST_BYTES", 3)
    (place / "large").mkdir()
    (place / "large/file").write_bytes(b"1234")
    set_aside(place / "large", place, "damaged", "the training is done again")
    assert list((place / "damaged").iterdir()) == []
    set_aside(place / "gone", place, "damaged", "it is made again")
    assert "left aside" in capfd.readouterr().err
    (place / "last").write_bytes(b"12")
    set_aside(place / "last", place, "damaged", "it is made again")
    assert prune(place, operation="damaged") == (1, 2)

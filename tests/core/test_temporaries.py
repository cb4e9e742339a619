"""Temporary files: never among outputs, never through a planted link, and none is left."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fer_au import atomic
from fer_au.atomic import AtomicFile, sweep, write_atomically
from fer_au.errors import StoreError

HOUR = 3600.0


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "lab/.dvc").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "lab")
    monkeypatch.setattr(atomic, "_swept", set())
    return tmp_path / "lab"


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("name", ["models/au/model.safetensors", "metrics/au.json", "report/index.html", "data/a/x.h5"])
def test_a_temporary_file_lies_outside_every_output(workspace: Path, name: str) -> None:
    with AtomicFile(Path(name)) as file:
        file.write(0, b"new")
        (temporary,) = files(workspace)
        assert temporary.startswith(".fer_au/tmp/.")
    assert files(workspace) == [name]
    assert Path(name).read_bytes() == b"new"


@pytest.mark.parametrize("why", ["no workspace", "in .fer_au", "another disk", "a link", "a file", "another group"])
def test_elsewhere_it_is_a_neighbour(workspace: Path, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = workspace / "models/au/config.json"
    target.parent.mkdir(parents=True)
    if why == "no workspace":
        target = workspace.parent / "elsewhere/config.json"
    elif why == "in .fer_au":
        target = workspace / ".fer_au/checkpoints/ab/state"
    elif why == "another disk":
        disk = Path("/dev/shm")
        if not disk.is_dir() or disk.stat().st_dev == workspace.stat().st_dev:
            pytest.skip("there is only one disk")
        (workspace / ".fer_au").symlink_to(disk)
        monkeypatch.setattr(atomic, "WORKSPACE", f".fer_au/test-{os.getpid()}")
    elif why == "a link":
        (workspace / ".fer_au").mkdir()
        (workspace / "theirs").mkdir()
        (workspace / ".fer_au/tmp").symlink_to(workspace / "theirs")
    elif why == "a file":
        (workspace / ".fer_au").write_text("")
    else:
        if os.getuid():
            pytest.skip("only root gives files to other groups")
        os.chown(target.parent, -1, 12345)
        target.parent.chmod(0o2775)
    with AtomicFile(target) as file:
        file.write(0, b"new")
        (temporary,) = target.parent.glob(".*.tmp")
    assert not temporary.exists()
    assert target.read_bytes() == b"new"
    if why == "another group":
        assert target.stat().st_gid == 12345
    if why == "another disk":
        (disk / f"test-{os.getpid()}/tmp").rmdir()
        (disk / f"test-{os.getpid()}").rmdir()


def test_a_rename_that_the_system_refuses_between_folders_is_done_beside(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def one_mount(self: Path, target: Path) -> Path:
        if self.parent != target.parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", one_mount)
    write_atomically(Path("models/au/config.json"), b"x" * 100_000, 0o640)
    assert Path("models/au/config.json").read_bytes() == b"x" * 100_000
    assert stat.S_IMODE(Path("models/au/config.json").stat().st_mode) == 0o640
    assert files(workspace) == ["models/au/config.json"]


@pytest.mark.parametrize("inside", [True, False])
def test_a_planted_link_is_never_followed(workspace: Path, inside: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = workspace.parent / "victim"
    victim.write_text("precious")
    target = Path("metrics/au.json") if inside else workspace.parent / "elsewhere/au.json"
    tokens = iter(["known"] * 3 + ["fresh"])
    monkeypatch.setattr(secrets, "token_hex", lambda _: next(tokens))
    link = Path(f".fer_au/tmp/.{atomic._place(target)}.known.tmp") if inside else target.with_name(".au.json.known.tmp")
    link.parent.mkdir(parents=True)
    link.symlink_to(victim)
    write_atomically(target, b"new")
    assert victim.read_text() == "precious"
    assert target.read_bytes() == b"new"
    assert not target.is_symlink()


def test_a_planted_link_in_the_place_of_the_file_is_replaced_and_not_followed(workspace: Path) -> None:
    victim = workspace.parent / "victim"
    victim.write_text("precious")
    Path("metrics").mkdir()
    Path("metrics/au.json").symlink_to(victim)
    write_atomically(Path("metrics/au.json"), b"new")
    assert victim.read_text() == "precious"
    assert not Path("metrics/au.json").is_symlink()


@pytest.mark.parametrize("call", ["pwrite", "fsync", "open"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    workspace: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StoreError, match=r"^models/au/model\.safetensors: cannot write: No space left on device$"):
            write_atomically(Path("models/au/model.safetensors"), b"new")
    assert files(workspace) == []


WRITER = """
import os, signal, sys
from pathlib import Path
from fer_au.atomic import AtomicFile
with AtomicFile(Path(sys.argv[1])) as file:
    file.write(0, b"half")
    if sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    print("written", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(workspace: Path) -> None:
    def start(name: str, how: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WRITER, name, how]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    with start("models/a/history.csv", "die") as dead:
        dead.wait()
    with start("models/b/history.csv", "live") as living:
        assert living.stdout is not None
        living.stdout.readline()
        left = files(workspace)
        assert len(left) == 2
        sweep(workspace / ".fer_au/tmp")
        assert files(workspace) == left  # so young that its writer may not hold its lock yet
        for name in left:
            os.utime(name, (0, time.time() - HOUR))
        write_atomically(Path("metrics/c.json"), b"{}")  # the first file that a process writes
        assert len(files(workspace)) == 2
        living.communicate("")
    assert files(workspace) == ["metrics/c.json", "models/b/history.csv"]
    assert Path("models/b/history.csv").read_bytes() == b"half"

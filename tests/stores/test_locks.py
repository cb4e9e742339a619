from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fer_au.errors import StoreError
from fer_au.stores.locks import lock_folder, output_lock

HOLD = """
import sys
from pathlib import Path
from fer_au.stores.locks import output_lock
with output_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_locks_live_in_the_workspace_and_never_beside_the_output(tmp_path: Path) -> None:
    assert lock_folder(tmp_path / "a/b.h5") == Path(tempfile.gettempdir()) / f"fer_au-locks-{os.getuid()}"
    (tmp_path / "work/.dvc").mkdir(parents=True)
    assert lock_folder(tmp_path / "work/data/demo/raw/truth.h5") == tmp_path / "work/.fer_au/locks"
    (tmp_path / "disk").mkdir()
    (tmp_path / "work/data").symlink_to(tmp_path / "disk")
    assert lock_folder(tmp_path / "work/data/demo/faces.h5") == tmp_path / "work/.fer_au/locks"


def test_a_folder_of_locks_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_LOCKS", str(tmp_path / "locks"))
    (tmp_path / ".dvc").mkdir()
    with output_lock(tmp_path / "a.h5"):
        assert len(list((tmp_path / "locks").iterdir())) == 1
    monkeypatch.setenv("FER_AU_LOCKS", "/proc/locks")
    with pytest.raises(StoreError, match=r"a\.h5: cannot lock: /proc/locks: .*; let FER_AU_LOCKS name a folder"):
        output_lock(tmp_path / "a.h5").__enter__()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_disks_without_locks_name_the_way_out(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, also beside the file of a lock that was held before: its presence alone holds nothing."""
    with output_lock(tmp_path / "other.h5"):
        pass

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match=r"cannot lock.*FER_AU_LOCKS"):
        output_lock(tmp_path / "other.h5", wait=5).__enter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")
def test_two_users_of_a_machine_never_lock_each_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a workspace, in one and behind a link; and a folder that a stranger made is not used."""
    with tempfile.TemporaryDirectory(prefix="fer_au-locks-test") as place:
        shared = Path(place)
        shared.chmod(0o777)
        monkeypatch.setattr(tempfile, "tempdir", place)

        def lock_as(user: int, path: Path) -> int:
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    os.setgid(user)
                    os.setuid(user)
                    with output_lock(path, wait=1):
                        code = 0
                except StoreError:
                    code = 2
                finally:
                    os._exit(code)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

        assert lock_as(61001, shared / "x/faces.h5") == 0
        assert lock_as(61002, shared / "x/faces.h5") == 0
        (shared / "work/.dvc").mkdir(parents=True)
        (shared / "work/.fer_au/locks").mkdir(parents=True)
        (shared / "work/.fer_au/locks").chmod(0o777)
        assert lock_as(61001, shared / "work/faces.h5") == 0
        assert lock_as(61002, shared / "work/faces.h5") == 0
        (shared / "fer_au-locks-61003").mkdir()
        (shared / "fer_au-locks-61003").chmod(0o777)
        assert lock_as(61003, shared / "x/faces.h5") == 2


def test_a_second_run_waits_and_then_says_who_is_in_the_way(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "faces.h5"
    command = [sys.executable, "-c", HOLD, str(output)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(StoreError, match=r"faces\.h5: another run has held its lock"),
            output_lock(output, wait=0.2),
        ):
            pass
        assert capfd.readouterr().err == f"{output}: another run is writing it; waiting until that run ends\n"
        holder.stdin.close()
        holder.wait()
        with output_lock(output, wait=5):
            pass


def test_the_lock_of_a_killed_run_is_free(tmp_path: Path) -> None:
    output = tmp_path / "faces.h5"
    command = [sys.executable, "-c", HOLD, str(output)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
    with output_lock(output, wait=5):
        pass

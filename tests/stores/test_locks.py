from __future__ import annotations

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
    assert lock_folder(tmp_path / "a/b.h5") == Path(tempfile.gettempdir()) / "fer_au-locks"
    (tmp_path / ".dvc").mkdir()
    assert lock_folder(tmp_path / "data/demo/raw/truth.h5") == tmp_path / ".fer_au/locks"


def test_a_second_run_waits_and_then_says_who_is_in_the_way(tmp_path: Path) -> None:
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

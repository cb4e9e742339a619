"""Commands of benchmarks: they run the programs and the package that they are told to, and a fault ends them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from benchmarks.shared.commands import ROOT, environment, timed

WRITE = "import os; open('told', 'w').write(os.getcwd() + ' ' + os.environ['PYTHONPATH'] + ' ' + os.environ['OF_OURS'])"
BUSY = "import os, subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(5_000_000))'])"


def test_a_command_runs_in_the_project_with_a_checkout_and_settings(tmp_path: Path) -> None:
    timed(tmp_path, "python", "-c", WRITE, settings={"OF_OURS": "1"})
    assert (tmp_path / "told").read_text() == f"{tmp_path} {ROOT} 1"
    timed(tmp_path, "python", "-c", WRITE, tree=tmp_path, settings={"OF_OURS": "2"})
    assert (tmp_path / "told").read_text() == f"{tmp_path} {tmp_path} 2"
    found = shutil.which("python", path=environment(ROOT, {})["PATH"])
    assert found is not None
    assert Path(found).parent == Path(sys.executable).parent


def test_times_are_those_of_the_processes_that_it_starts(tmp_path: Path) -> None:
    taken = timed(tmp_path, sys.executable, "-c", BUSY)
    assert taken.cpu > 0.05
    assert 0.05 < taken.wall < 60


def test_a_command_that_fails_ends_the_benchmark(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"sys.exit\('no such thing'\): no such thing"):
        timed(tmp_path, sys.executable, "-c", "import sys; sys.exit('no such thing')")

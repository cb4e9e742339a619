"""The line of processes from DVC down to a stage, whatever DVC's shell makes of the command."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAGE = """
import sys
from fer_au.ancestry import Ancestry
ancestry = Ancestry()
print(*(pid for link in ancestry.links for pid in link), flush=True)
for _ in sys.stdin:
    print(ancestry.holds(), flush=True)
"""
# As DVC starts a stage: the name in the child's environment alone, and a shell for the command.
DVC = """
import os, subprocess, sys
print(os.getpid(), flush=True)
subprocess.run(sys.argv[1:], env={**os.environ, "DVC_STAGE": "train@au"})
"""
WRAPPER = "import subprocess, sys; subprocess.run(sys.argv[1:])"


def sh(command: list[str], then: str = "; true") -> list[str]:
    """The command in a shell of its own, which stays because of what follows."""
    return ["sh", "-c", shlex.join(command) + then]


def in_script(command: list[str], folder: Path) -> list[str]:
    """The command in a file that a shell reads."""
    (folder / "run.sh").write_text(sh(command)[-1])
    return ["sh", str(folder / "run.sh")]


@dataclass
class Started:
    """A stage, what started it, and a person's shell above.

    Attributes:
        shell: The person's shell.
        dvc: Process ID of DVC.
        links: As the stage sees them.
    """

    shell: subprocess.Popen[str]
    dvc: int
    links: list[tuple[int, int]]

    def holds(self) -> bool:
        """Ask the stage."""
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write("?\n")
        self.shell.stdin.flush()
        return {"True\n": True, "False\n": False}[self.shell.stdout.readline()]

    def breaks(self) -> bool:
        """Wait for the end of the line; False if it lasts."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if not self.holds():
                return True
            time.sleep(0.01)
        return False


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[Started]:
    environment = {key: value for key, value in os.environ.items() if key != "DVC_STAGE"}
    process = subprocess.Popen(
        sh([sys.executable, "-c", DVC, *command]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        dvc = int(process.stdout.readline())
        numbers = [int(number) for number in process.stdout.readline().split()]
        yield Started(process, dvc, list(zip(numbers[::2], numbers[1::2], strict=True)))
    finally:
        process.stdin.close()  # ends the stage, and so all above
        process.stdout.read()
        process.stdout.close()
        process.wait(timeout=60)


PYTHON = [sys.executable, "-c", STAGE]
LINES = {
    "without a shell": (lambda folder: PYTHON, 1),
    "bash becomes the stage": (lambda folder: ["bash", "-c", shlex.join(PYTHON)], 1),
    "a shell stays": (lambda folder: sh(PYTHON), 2),
    "shells in a shell": (lambda folder: sh(sh(sh(PYTHON))), 4),
    "a script": (lambda folder: sh(in_script(PYTHON, folder)), 3),
    "another program": (lambda folder: sh(["nice", sys.executable, "-c", WRAPPER, *PYTHON]), 3),
}


@pytest.mark.parametrize("name", LINES)
def test_the_line_ends_at_dvc_and_with_dvc(name: str, tmp_path: Path) -> None:
    make, length = LINES[name]
    with started(make(tmp_path), tmp_path) as run:
        assert [child for child, _ in run.links[1:]] == [parent for _, parent in run.links[:-1]]
        assert run.links[-1][1] == run.dvc
        assert len(run.links) == length
        assert run.holds()
        os.kill(run.dvc, signal.SIGKILL)
        assert run.breaks()


def test_every_link_counts(tmp_path: Path) -> None:
    for number in range(3):
        with started(sh(sh(PYTHON)), tmp_path) as run:
            os.kill(run.links[number][1], signal.SIGKILL)
            assert run.breaks()


def test_a_persons_shell_may_end(tmp_path: Path) -> None:
    """As after ``nohup dvc repro &`` and ``exit``."""
    with started(sh(PYTHON), tmp_path) as run:
        run.shell.kill()
        run.shell.wait()
        time.sleep(0.1)
        assert run.holds()
        os.kill(run.dvc, signal.SIGKILL)
        assert run.breaks()


def test_a_killed_dvc_that_nobody_reaped_is_gone() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "DVC_STAGE"}
    dvc = subprocess.Popen(
        [sys.executable, "-c", DVC, *sh(PYTHON)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment | {"PYTHONPATH": str(ROOT)},
    )
    with dvc:
        assert dvc.stdout is not None
        run = Started(dvc, int(dvc.stdout.readline()), [])
        dvc.stdout.readline()
        assert run.holds()
        dvc.kill()
        assert run.breaks()
        assert os.waitid(os.P_PID, dvc.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None  # a zombie all the while

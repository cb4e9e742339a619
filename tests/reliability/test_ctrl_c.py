"""Ctrl-C at any moment, also while libraries are imported: one line that is true, and exit code 130."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.reliability.workspace import ROOT, Workspace

# Runs a script as Python does, and sends Ctrl-C to itself when a module begins to be imported.
INTERRUPTING = """
import os, runpy, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

module, script, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = script
sys.meta_path.insert(0, Finder())
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_path(script, run_name="__main__")
"""
ROWS = "rows that were computed are kept, and the next run goes on from there"
WHOLE = "an evaluation is kept as a whole only; the next run starts it anew"
LEFT = {
    "stamp": "nothing is lost; the next run looks at code and pictures anew",
    "ingest": "nothing is kept; the next run reads all pictures anew",
    "align": ROWS,
    "landmarks": ROWS,
    "heatmaps": "nothing is kept; the next run draws all maps anew",
    "train": "complete epochs are kept, and the next run goes on from there",
    "evaluate": WHOLE,
    "cross": WHOLE,
    "report": "nothing is lost; the next run writes the page anew",
    "render": "nothing is kept; the next run renders all pictures anew",
    "fer-au": "no file is left half written",
}
"""What each command says."""


def run(workspace: Workspace, module: str, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", INTERRUPTING, module, str(script), *arguments],
        cwd=workspace.folder,
        env=workspace.environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("stamp", "json"),
        ("ingest", "inspect"),
        ("ingest", "fer_au.datasets.stage"),
        ("align", "cv2"),
        ("align", "multiprocessing.popen_forkserver"),  # workers are about to start, and their queues are there
        ("landmarks", "h5py._conv"),
        ("heatmaps", "numpy.linalg"),
        ("render", "scipy"),
        ("train", "torch.nn.functional"),
        ("train", "fer_au.training.losses.base"),
        ("evaluate", "timm.models"),
        ("cross", "ruamel.yaml"),
        ("report", "jinja2"),
        ("fer-au", "typer.main"),
        ("fer-au", "fer_au.presets"),
    ],
)
def test_ctrl_c_in_an_import_is_one_line(command: str, module: str, workspace: Workspace) -> None:
    if command == "fer-au":
        script, arguments = workspace.folder / "fer-au", ["presets", "list"]
        script.write_text("from fer_au.cli import main\nmain()\n")
    else:
        script, arguments = ROOT / f"stages/{command}.py", [] if command in ("stamp", "report") else ["tiny"]
    done = run(workspace, module, script, *arguments)
    assert (done.returncode, done.stderr) == (130, f"interrupted: {LEFT[command]}\n")


PROGRAM = """
import os, signal, sys, threading, time
from fer_au.ending import run_main, run_process, uninterrupted
from fer_au.errors import DataError

signal.signal(signal.SIGINT, signal.default_int_handler)

def press():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(.001)

class Dying:
    def __del__(self):
        press()

def main():
    {body}

run_process(lambda: run_main(main, "rows are kept"), "rows are kept")
"""


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("press()", 130, 1),
        ("try: press()\n    finally: press()", 130, 1),  # twice
        ("try: press()\n    except BaseException: pass", 130, 1),  # swallowed
        ("try: press()\n    except BaseException: raise DataError('lost')", 130, 1),  # made an error of ours
        ("try: press()\n    except BaseException: raise RecursionError", 130, 1),  # or any other
        ("Dying()\n    time.sleep(5)", 130, 1),  # lost where Python can't raise
        ("with uninterrupted(): press(); open('written', 'w').close()", 130, 1),
        ("import atexit; atexit.register(press)", 0, 0),  # too late
        ("threading.Thread(target=lambda: (time.sleep(.2), press())).start()", 0, 0),  # too late, too
        ("signal.signal(signal.SIGINT, signal.SIG_IGN); press()", 0, 0),  # nobody is to hear it
    ],
)
def test_whatever_becomes_of_ctrl_c_in_a_program(body: str, code: int, said: int, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (code, "interrupted: rows are kept\n" * said)
    assert (tmp_path / "written").exists() == ("written" in body)


def test_a_bug_shows_its_trace_and_exit_code_1(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body="raise RecursionError")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")


def test_a_background_job_does_not_hear_ctrl_c(tmp_path: Path) -> None:
    """A shell starts it deaf."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = PROGRAM.replace("signal.signal(signal.SIGINT, signal.default_int_handler)", "")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = subprocess.run(
            [sys.executable, "-c", program.format(body="press()")], cwd=tmp_path, env=environment, timeout=60
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.returncode == 0


STARTING = "import subprocess, sys; subprocess.run(sys.argv[1:])"
DEAF = "signal.signal(signal.SIGINT, signal.SIG_IGN)"


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size):
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.02)


@pytest.mark.parametrize(("started_by_dvc", "deaf"), [(True, False), (True, True), (False, False)])
def test_a_stage_ends_as_at_ctrl_c_when_its_dvc_is_killed(started_by_dvc: bool, deaf: bool, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **({"DVC_STAGE": "train@au"} if started_by_dvc else {})}
    body = "print('begun', file=open('begun', 'w')); time.sleep(3); print('done', file=open('done', 'w'))"
    program = PROGRAM.replace("signal.signal(signal.SIGINT, signal.default_int_handler)", DEAF) if deaf else PROGRAM
    stage = [sys.executable, "-c", program.format(body=body)]
    with (tmp_path / "said").open("wb") as file:
        starter = subprocess.Popen([sys.executable, "-c", STARTING, *stage], cwd=tmp_path, env=environment, stderr=file)
    wait_for(tmp_path / "begun")
    starter.kill()
    starter.wait()
    wait_for(tmp_path / ("said" if started_by_dvc else "done"))
    assert (tmp_path / "said").read_text() == ("interrupted: rows are kept\n" if started_by_dvc else "")
    assert (tmp_path / "done").exists() != started_by_dvc

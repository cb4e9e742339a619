from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fer_au.compute import Progress, batched, map_ordered, worker_count
from fer_au.errors import ConfigError, DataError, FerAuError


def double(value: int) -> int:
    return 2 * value


def fail_on_three(value: int) -> int:
    if value == 3:
        raise DataError("three.jpg: bad")
    return value


def die(value: int) -> int:
    if value == 2:
        os._exit(9)
    return value


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers: int) -> None:
    assert list(map_ordered(double, range(40), label="test", workers=workers)) == list(range(0, 80, 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_task_reaches_the_caller(workers: int) -> None:
    with pytest.raises(DataError, match=r"three\.jpg: bad"):
        list(map_ordered(fail_on_three, range(9), label="test", workers=workers))


def test_a_dead_worker_is_one_clear_line() -> None:
    with pytest.raises(FerAuError, match="worker process died"):
        list(map_ordered(die, range(9), label="test", workers=2))


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_bad_worker_count_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_WORKERS", text)
    with pytest.raises(ConfigError, match="FER_AU_WORKERS"):
        worker_count()


def test_the_environment_sets_the_worker_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_WORKERS", "3")
    assert worker_count() == 3
    monkeypatch.delenv("FER_AU_WORKERS")
    assert worker_count() >= 1


def test_batches_keep_every_item() -> None:
    assert [list(batch) for batch in batched(range(5), 2)] == [[0, 1], [2, 3], [4]]


def test_nothing_to_do_is_nothing() -> None:
    assert list(map_ordered(double, [], label="test")) == []


@pytest.mark.parametrize("threads", [False, True])
def test_threads_give_the_same_results_in_the_same_process(threads: bool) -> None:
    pids = set(map_ordered(own_pid, range(8), label="test", workers=2, threads=threads))
    assert (pids == {os.getpid()}) is threads


def own_pid(_: int) -> int:
    return os.getpid()


class Large:
    """A task that carries more data than an environment variable can."""

    def __init__(self) -> None:
        self.data = bytes(200_000)

    def load(self) -> None:
        raise AssertionError("too large to be sent ahead")

    def __call__(self, value: int) -> int:
        return value + len(self.data)


LARGE = """
from fer_au.compute import map_ordered
from tests.core.test_compute import Large

if __name__ == "__main__":
    print(*map_ordered(Large(), range(3), label="test", workers=2))
"""


def test_a_task_may_carry_more_data_than_can_be_sent_ahead(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(LARGE)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["200000", "200001", "200002"]


SHARED = """
import os
from fer_au.compute import open_workers, warm_workers
from shared_load import Task

if __name__ == "__main__":
    warm_workers(2, Task())
    with open_workers(2, 2, runs=Task()) as workers:
        loaders, ran = zip(*workers.executor.map(Task(), range(8)))
    print(len(set(loaders)), len(set(loaders) & {*ran, os.getpid()}))
"""

SHARED_LOAD = """
import os

LOADED_BY = 0

class Task:
    def load(self):
        global LOADED_BY
        LOADED_BY = os.getpid()
        {fault}

    def __call__(self, _):
        if not LOADED_BY:
            self.load()
        return LOADED_BY, os.getpid()
"""


@pytest.mark.parametrize("fault", ["", "raise SystemError('lost')"])
def test_workers_share_what_is_loaded_before_they_start(fault: str, tmp_path: Path) -> None:
    (tmp_path / "shared_load.py").write_text(SHARED_LOAD.format(fault=fault))
    (tmp_path / "script.py").write_text(SHARED)
    environment = os.environ | {"FER_AU_WORKERS": "2", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], env=environment, capture_output=True, text=True, timeout=60
    )
    # One process loaded, and it was neither a worker nor this one. A fault there is left to whoever runs the task.
    assert (done.stdout.split(), done.stderr) == (["1", "0"], "")


CALL = """
from fer_au.compute import map_ordered

def own(value):
    return -value

def main():
    print(*map_ordered({function}, [-1, -2, -3], label="test", workers=2))

{start}
"""
GUARDED, BARE = 'if __name__ == "__main__":\n    main()', "main()"


def run_script(folder: Path, text: str, *, piped: bool = False) -> tuple[str, str]:
    """What a user's script prints, and the last line of the trace of its error."""
    file = folder / "script.py"
    file.write_text(text)
    command = [sys.executable, *([] if piped else [str(file)])]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        command, input=text, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    # Python's own clearing-up may complain after the error, of processes that have ended.
    complaints = done.stderr.strip().splitlines()
    errors = [line for line in complaints if line.startswith("fer_au.errors.")] or complaints
    return done.stdout.strip(), errors[-1] if done.returncode else ""


@pytest.mark.parametrize("start", [GUARDED, BARE])
@pytest.mark.parametrize("piped", [False, True])
def test_a_script_needs_no_guard_and_no_file_for_what_the_package_computes(
    tmp_path: Path, start: str, piped: bool
) -> None:
    assert run_script(tmp_path, CALL.format(function="abs", start=start), piped=piped) == ("1 2 3", "")


@pytest.mark.parametrize(
    ("start", "piped", "printed"),
    [(GUARDED, False, "1 2 3"), (GUARDED, True, ""), (BARE, False, ""), (BARE, True, "")],
    ids=["guarded", "guarded from stdin", "bare", "bare from stdin"],
)
def test_a_script_needs_a_guard_and_a_file_for_what_it_defines(
    tmp_path: Path, start: str, piped: bool, printed: str
) -> None:
    out, error = run_script(tmp_path, CALL.format(function="own", start=start), piped=piped)
    assert out == printed
    assert printed or "workers must import this script for the parts that it defines" in error


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/python"])
def test_processes_that_end_at_their_start_are_one_line(tmp_path: Path, program: str) -> None:
    start = f"from multiprocessing.spawn import set_executable\nset_executable({program!r})\nmain()"
    _, error = run_script(tmp_path, CALL.format(function="abs", start=start))
    assert error.startswith("fer_au.errors.FerAuError: worker processes can't be started: ")
    assert error.endswith("FER_AU_WORKERS=1 does without")


def test_a_run_whose_length_nobody_knows_tells_what_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fer_au.compute.progress._LOG_SECONDS", 0.0)
    monkeypatch.setattr("fer_au.compute.progress.time", SimpleNamespace(monotonic=iter(range(9)).__next__))
    with Progress("video", None, "frames") as progress:
        progress.advance(20)
    assert capsys.readouterr().err == "video: 20 frames, 10/s\n"

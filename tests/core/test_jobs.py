from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from fer_au.compute import jobs
from fer_au.compute.jobs import Job, left_behind, run_jobs, summary_lines

# Stands for DVC: writes what it was asked for and where, and does what the target's name says.
FAKE = """
    import os, signal, sys, time
    from pathlib import Path

    assert sys.argv[1:4] == ["--wait-for-lock", "repro", "--single-item"], sys.argv
    train, evaluate = sys.argv[4:]
    name = train.partition("@")[2]
    log = Path("log")
    threads = "/".join(os.environ[f"{one}_NUM_THREADS"] for one in ("OMP", "MKL", "OPENBLAS"))
    place = f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {threads}"

    def note(what):
        with log.open("a") as file:
            file.write(f"{what} {name} {place}\\n")

    if not name.startswith("wait"):
        note("begin")
    else:
        try:
            note("begin")
            time.sleep(60)
        except KeyboardInterrupt:
            note("stopped")
            sys.exit(1)
    if name.startswith("meet"):  # ends when another one runs at the same time
        Path(name).touch()
        until = time.monotonic() + 30
        while len(list(Path().glob("meet*"))) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    print(f"training {name}\\r")
    if name.startswith("bad"):
        print("error: data/wild/faces.h5: is damaged", file=sys.stderr)
        print("ERROR: failed to reproduce 'train@bad'", file=sys.stderr)
        sys.exit(1)
    if name.startswith("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    note("end")
"""


@pytest.fixture(autouse=True)
def _fake_dvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fake.py").write_text(textwrap.dedent(FAKE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs, "DVC", (sys.executable, str(tmp_path / "fake.py")))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for library in ("OMP", "MKL", "OPENBLAS"):
        monkeypatch.delenv(f"{library}_NUM_THREADS", raising=False)


def job(name: str, *after: str) -> Job:
    return Job(name, (f"train@{name}", f"evaluate@{name}"), after)


def log() -> list[list[str]]:
    return [line.split() for line in Path("log").read_text().splitlines()]


def test_jobs_run_at_the_same_time_and_their_lines_have_their_names(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_jobs([job("meet-a"), job("meet-b")], 2).done == ["meet-a", "meet-b"]
    assert sorted(line[1] for line in log() if line[0] == "end") == ["meet-a", "meet-b"]
    lines = capfd.readouterr().err.splitlines()
    assert sorted(lines) == ["[meet-a] training meet-a", "[meet-b] training meet-b"]


def test_no_more_jobs_run_than_are_asked_for() -> None:
    run_jobs([job("a"), job("b"), job("c")], 1)
    assert [line[:2] for line in log()] == [[what, name] for name in "abc" for what in ("begin", "end")]


def test_a_job_waits_for_the_one_that_it_starts_from() -> None:
    outcome = run_jobs([job("c", "b"), job("b", "a"), job("a"), job("alone", "elsewhere")], 4)
    order = [line[1] for line in log() if line[0] == "begin"]
    assert order.index("a") < order.index("b") < order.index("c")
    assert outcome.done == ["c", "b", "a", "alone"]  # `elsewhere` is no job of this run


def test_a_failure_ends_those_alone_that_need_it() -> None:
    outcome = run_jobs([job("bad"), job("next", "bad"), job("last", "next"), job("dies"), job("a")], 2)
    assert outcome.done == ["a"]
    assert outcome.failed == {"bad": "data/wild/faces.h5: is damaged", "dies": "ended with code -9"}
    assert outcome.skipped == {"next": "bad", "last": "next"}
    assert summary_lines(outcome) == [
        "bad: failed: data/wild/faces.h5: is damaged",
        "dies: failed: ended with code -9",
        "next: not begun, since bad failed",
        "last: not begun, since next failed",
        "1 done, 2 failed, 2 not begun",
    ]


def test_each_job_has_a_device_of_its_own_as_long_as_there_are_enough() -> None:
    run_jobs([job("meet-a"), job("meet-b")], 2, ["3", "5"])
    assert sorted(line[2] for line in log() if line[0] == "begin") == ["3", "5"]


@pytest.mark.parametrize(
    ("said", "threads"),
    [({}, "N/N/N"), ({"OMP": "7"}, "7/7/7"), ({"MKL": "7"}, "N/7/N"), ({"OMP": "7", "OPENBLAS": "1"}, "7/7/1")],
)
def test_processors_are_shared_out_unless_the_user_has_said_how(
    said: dict[str, str], threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library, number in said.items():
        monkeypatch.setenv(f"{library}_NUM_THREADS", number)
    run_jobs([job("a")], 2)
    assert log()[0][3] == threads.replace("N", str(max(1, (os.cpu_count() or 1) // 2)))


# Before the jobs: as in a terminal, or as in `nohup ... &`, where all that it starts is deaf to Ctrl-C.
LISTENS, IS_DEAF = "signal.default_int_handler", "signal.SIG_IGN"


@pytest.mark.parametrize(
    ("to_ctrl_c", "sent", "code", "heard"),
    [
        (LISTENS, ["SIGINT"], 7, 2),
        (LISTENS, ["SIGTERM", "SIGTERM"], 143, 0),
        (LISTENS, ["SIGHUP"], 129, 0),
        (IS_DEAF, ["SIGINT", "SIGHUP", "SIGTERM"], 143, 0),
    ],
)
def test_what_ends_a_run_reaches_all_jobs_and_waits_for_them(
    to_ctrl_c: str, sent: list[str], code: int, heard: int, tmp_path: Path
) -> None:
    script = textwrap.dedent(f"""
        import signal, sys
        signal.signal(signal.SIGINT, {to_ctrl_c})
        signal.signal(signal.SIGHUP, signal.SIG_IGN if {to_ctrl_c} == signal.SIG_IGN else signal.SIG_DFL)
        from fer_au.compute import jobs
        from fer_au.compute.jobs import Job, run_jobs
        jobs.DVC = (sys.executable, "fake.py")
        try:
            run_jobs([Job(n, (f"train@{{n}}", f"evaluate@{{n}}")) for n in ("wait-a", "wait-b", "c")], 2)
        except KeyboardInterrupt:
            sys.exit(7)
    """)
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path)
    until = time.monotonic() + 60
    while not (Path("log").exists() and len(log()) == 2) and time.monotonic() < until:
        time.sleep(0.02)
    jobs_at_work = psutil.Process(process.pid).children()
    assert len(jobs_at_work) == 2
    time.sleep(0.2)  # both are in their sleep
    for name in sent:
        process.send_signal(signal.Signals[name])
        time.sleep(0.1)
    assert process.wait(timeout=30) == code
    assert not any(one.is_running() for one in jobs_at_work)
    assert sorted(line[:2] for line in log()) == [
        ["begin", "wait-a"], ["begin", "wait-b"], ["stopped", "wait-a"], ["stopped", "wait-b"],
    ][: 2 + heard]  # fmt: skip


def test_a_task_of_a_job_array_runs_the_experiment_of_its_line(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    dvc = tmp_path / "bin/dvc"
    dvc.write_text('#!/bin/sh\necho "$OMP_NUM_THREADS $@"\n')
    dvc.chmod(0o755)
    (tmp_path / "experiments.txt").write_text("vanilla\nau\n")
    script = Path(__file__).parents[2] / "docs/slurm-experiments.sbatch"

    def task(number: int) -> subprocess.CompletedProcess[str]:
        own = {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_CPUS_PER_TASK": "3"}
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        words = ["bash", str(script), "experiments.txt"]
        environment = {**os.environ, **own, "PATH": path}
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert task(2).stdout == "3 --wait-for-lock repro --single-item train@au evaluate@au\n"
    assert (task(3).returncode, task(3).stderr) == (2, "error: experiments.txt has no line 3\n")


def test_jobs_that_a_killed_run_left_behind_are_found_in_their_project_alone(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "input()", "--wait-for-lock", "repro", "--single-item", "train@au"]
    with subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.PIPE) as job:
        try:
            assert [one.pid for one in left_behind(tmp_path.resolve())] == [job.pid]
            assert left_behind(tmp_path.parent.resolve()) == []
        finally:
            job.kill()
    assert left_behind(tmp_path.resolve()) == []

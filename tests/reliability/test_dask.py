"""A Dask cluster of real processes on this machine: the same bytes, also when one of them is killed."""

from __future__ import annotations

import gc
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_au.compute import dask_cluster as cluster_module
from fer_au.compute import open_workers
from fer_au.ending import run_main
from tests.reliability.conftest import PICTURES, STORES
from tests.reliability.observed import DIARY, PAUSE
from tests.reliability.workspace import ROOT, Workspace, errors

pytest.importorskip("distributed")

STAGES = ("align", "landmarks", "heatmaps")


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path, diary: Path) -> None:
        self.folder = folder
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("FER_AU_")}
        self.environment |= {"PYTHONPATH": str(ROOT), DIARY: str(diary), PAUSE: "0.01"}
        self.processes: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self._start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options]
        with (self.folder / f"{kind}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def add_worker(self, *options: str) -> subprocess.Popen[bytes]:
        return self._start("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", *options)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(workspace: Workspace, tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(tmp_path, workspace.diary)
    try:
        yield found
    finally:
        found.stop()


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_also_when_a_worker_is_killed(
    cluster: Cluster, workspace: Workspace, undisturbed: dict[str, bytes]
) -> None:
    workers = [cluster.add_worker(), cluster.add_worker()]
    run = workspace.start(*STAGES, env={"FER_AU_SCHEDULER": cluster.address})

    def both_work() -> bool:
        busy = {int(line.split()[0]) for line in workspace.diary.read_text().splitlines()} if run.shards else set()
        return busy == {worker.pid for worker in workers}

    assert run.wait_until(both_work), run.said
    workers[0].send_signal(signal.SIGKILL)
    killed_at = len(workspace.started())
    said = run.finish()
    assert run.process.returncode == 0, said
    assert errors(said) == []
    assert workspace.bytes_of(*STORES) == list(undisturbed.values())
    assert workspace.rows_kept() == 2 * PICTURES
    started = workspace.started()
    assert killed_at < PICTURES <= len(set(started)) == 2 * PICTURES
    # What lay on the killed worker is computed again: what it had under way, and results not fetched yet.
    assert len(started) - 2 * PICTURES <= 4 * 4
    assert {line.split()[0] for line in workspace.diary.read_text().splitlines()} == {str(w.pid) for w in workers}


@pytest.mark.slow
def test_a_worker_of_another_release_is_one_line(cluster: Cluster, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "older.py").write_text("import fer_au.version\nfer_au.version.__version__ = '0.0.1'\n")
    cluster.add_worker("--preload", str(tmp_path / "older.py"))
    said = workspace.run("align", code=2, env={"FER_AU_SCHEDULER": cluster.address})
    (line,) = errors(said)
    assert re.fullmatch(r"error: Dask worker tcp://\S+ has fer_au 0\.0\.1, this process \S+; install the same", line), (
        line
    )
    assert workspace.started() == []


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "Timed out trying to connect"),
        ("nonsense://x", "unknown address scheme 'nonsense'"),
        ("tcp://127.0.0.1", "missing port number"),
        ("tcp://127.0.0.1:port", "invalid literal"),
        ("tls://127.0.0.1:1", "no certificates for TLS"),
    ],
)
def test_no_scheduler_is_one_line_and_no_hang(
    address: str, why: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if not address:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr(cluster_module, "_CONNECT_SECONDS", 1)
    monkeypatch.setenv("FER_AU_SCHEDULER", address)
    start = time.monotonic()

    def work() -> None:
        with open_workers(3):
            raise AssertionError("there is no scheduler")

    assert run_main(work) == 2
    gc.collect()
    assert time.monotonic() - start < 15
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: FER_AU_SCHEDULER={address}: no Dask scheduler answers: ")
    assert why in line

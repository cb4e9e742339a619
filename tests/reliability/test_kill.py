"""kill -9, Ctrl-C and the end of a session, at any moment of a run."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator

import pytest

from fer_au.rejects import read_rejects
from tests.reliability.conftest import PICTURES
from tests.reliability.observed import INTERRUPTED
from tests.reliability.workspace import Run, Workspace, errors, show, temporaries

WORKERS, SHARD = 2, 4
MOMENTS = {"align": 20, "landmarks": 8}
"""Of these numbers, each fifth one hits the start and each fifth one a write. Both stages leave shards to one room."""
OUTPUT = {"align": "faces.h5", "landmarks": "landmarks.h5"}


def prepare(stage: str, workspace: Workspace, undisturbed: dict[str, bytes]) -> int:
    """Give a stage its input; the number of rows it computes."""
    if stage == "landmarks":
        (workspace.data / "faces.h5").write_bytes(undisturbed["faces.h5"])
    return PICTURES


def start_and_kill(workspace: Workspace, stage: str, rng: random.Random, number: int) -> Run:
    """Kill a run's main process: as it starts, while it computes (mostly), or in one of its own writes."""
    if number % 5 == 4:
        # One worker is this process itself: it dies in the midst of writing a shard, the reject table or the output.
        run = workspace.start(stage, shard_rows=SHARD, die_in=rng.randint(1, 20), env={"FER_AU_WORKERS": "1"})
        run.process.wait()
        return run
    run = workspace.start(stage, shard_rows=SHARD, pause=0.004)
    if number % 5 == 0:
        time.sleep(rng.uniform(0, 1.5))
    else:
        before, wanted = run.shards, rng.randint(1, 10)
        run.wait_until(lambda: run.shards >= before + wanted)
        time.sleep(rng.uniform(0, 0.04))
    run.process.kill()
    run.process.wait()
    return run


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["align", "landmarks"])
def test_a_killed_run_loses_at_most_a_shard_per_worker(
    stage: str, workspace: Workspace, undisturbed: dict[str, bytes]
) -> None:
    rows = prepare(stage, workspace, undisturbed)
    output = workspace.data / OUTPUT[stage]
    rng = random.Random(f"kill {stage}")
    losses, ends, whole, lost_before = [], [], 0, 0
    for number in range(MOMENTS[stage]):
        run = start_and_kill(workspace, stage, rng, number)
        ends.append(run.wait_alone())
        kept, started = workspace.rows_kept(), len(workspace.started())
        losses.append(started - kept - lost_before)
        lost_before = started - kept
        assert 0 <= losses[-1] <= WORKERS * SHARD
        if output.exists():
            assert output.read_bytes() == undisturbed[output.name]
        if kept == rows:  # nothing is left that a kill could disturb
            whole += 1
            workspace.forget()
            output.unlink(missing_ok=True)
            lost_before = 0
    workspace.run(stage, shard_rows=SHARD)
    assert output.read_bytes() == undisturbed[output.name]
    assert len(workspace.started()) == rows + lost_before == workspace.rows_kept() + lost_before
    assert read_rejects(workspace.data / f"rejects/{stage}.csv") == []
    assert [path for path in temporaries(workspace.data) if path.parent == workspace.data] == []
    assert sum(losses) > 0  # kills did hit work under way
    show(f"{stage}: rows lost per kill {losses} (at most {WORKERS * SHARD} allowed); complete runs {whole}")
    show(f"{stage}: last process gone after at most {max(ends):.2f} s")


@pytest.fixture
def heard() -> Iterator[None]:
    """Started programs hear Ctrl-C, even if the tests run in the background of a shell, where they inherit deafness."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(("stage", "workers"), [("align", 2), ("landmarks", 2), ("align", 1)])
def test_ctrl_c_stops_at_once_and_keeps_what_is_done(
    stage: str, workers: int, workspace: Workspace, undisturbed: dict[str, bytes]
) -> None:
    rows = prepare(stage, workspace, undisturbed)
    # Slow enough not to end by itself before the signal, on a machine that is busy with other things.
    run = workspace.start(stage, shard_rows=SHARD, pause=0.1, env={"FER_AU_WORKERS": str(workers)})
    assert run.wait_until(lambda: run.shards >= 6)
    os.killpg(run.process.pid, signal.SIGINT)  # what a terminal does: every process of the run gets it
    said = run.finish()
    assert run.process.returncode == 130
    assert said.splitlines()[-1] == f"interrupted: {INTERRUPTED}"
    assert errors(said) == []
    run.wait_alone()
    # What was under way was finished; what was only planned was dropped.
    kept, begun = workspace.rows_kept(), len(workspace.started())
    assert begun - (0 if workers > 1 else SHARD) <= kept <= begun < rows
    assert temporaries(workspace.folder) == []
    workspace.run(stage, shard_rows=SHARD)
    assert (workspace.data / OUTPUT[stage]).read_bytes() == undisturbed[OUTPUT[stage]]
    assert len(workspace.started()) == rows + begun - kept


def test_a_worker_that_is_killed_ends_the_run_with_one_line(
    workspace: Workspace, undisturbed: dict[str, bytes]
) -> None:
    run = workspace.start("align", shard_rows=SHARD, pause=0.03)
    assert run.wait_until(lambda: run.shards >= 6)
    worker = int(workspace.diary.read_text().split()[0])
    os.kill(worker, signal.SIGKILL)
    said = run.finish()
    assert run.process.returncode == 2
    assert errors(said) == ["error: a worker process died (killed, or out of memory); finished work is kept"]
    run.wait_alone()
    workspace.rows_kept()
    workspace.run("align", shard_rows=SHARD)
    assert (workspace.data / "faces.h5").read_bytes() == undisturbed["faces.h5"]


def test_an_ended_session_leaves_no_process(workspace: Workspace) -> None:
    """SIGTERM, as a batch system sends it to the main process alone."""
    run = workspace.start("align", shard_rows=SHARD, pause=0.03)
    assert run.wait_until(lambda: run.shards >= 6)
    run.process.terminate()
    run.process.wait(timeout=60)
    run.wait_alone()
    assert PICTURES > workspace.rows_kept() >= len(workspace.started()) - WORKERS * SHARD

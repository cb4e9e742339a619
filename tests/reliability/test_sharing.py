"""One cache for several labs, other orders, other folders: never a wait, always the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fer_au.datasets.manifest import read_manifest, write_manifest
from tests.reliability.conftest import PICTURES, STORES
from tests.reliability.workspace import ROOT, Workspace, errors

STAGES = ("align", "landmarks", "heatmaps")
WAITING = "another run is writing it"


def hold(workspace: Workspace) -> subprocess.Popen[str]:
    """A process that holds the locks of all of a workspace's outputs until its input is closed."""
    code = (
        "import sys\nfrom contextlib import ExitStack\nfrom pathlib import Path\n"
        "from fer_au.stores.locks import output_lock\nwith ExitStack() as stack:\n"
        "    for name in sys.argv[1:]:\n        stack.enter_context(output_lock(Path(name)))\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, *(str(workspace.data / name) for name in STORES)]
    holder = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=workspace.environment()
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


@pytest.mark.slow
def test_two_clones_share_a_cache_at_once_and_neither_waits(
    ingested: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    first, second, third = (Workspace(tmp_path / name, ingested, cache=tmp_path / "cache") for name in "abc")
    with hold(third) as holder:
        run = first.start(*STAGES, pause=0.02)
        assert run.wait_until(lambda: run.shards >= 4)
        # The first clone stands still with rows under way and its outputs' locks held, on purpose for longer than any
        # run takes: whoever waits for it never ends.
        os.killpg(run.process.pid, signal.SIGSTOP)
        try:
            said = second.run(*STAGES)
            assert run.process.poll() is None
        finally:
            os.killpg(run.process.pid, signal.SIGCONT)
        said += run.finish()
        assert run.process.returncode == 0, said
        assert holder.stdin is not None
        holder.stdin.close()
    assert WAITING not in said
    for clone in (first, second):
        assert clone.bytes_of(*STORES) == list(undisturbed.values())
        assert clone.rows_kept() >= 2 * PICTURES
        # Every row at most once per clone, and the second took what the first had kept.
        assert len(clone.started()) == len(set(clone.started())) <= 2 * PICTURES
    assert len(second.started()) < 2 * PICTURES
    third.run(*STAGES)
    assert third.started() == []
    assert third.bytes_of(*STORES) == list(undisturbed.values())


def test_a_second_run_in_one_workspace_waits_and_computes_nothing(
    workspace: Workspace, undisturbed: dict[str, bytes]
) -> None:
    first = workspace.start("align", pause=0.01)
    assert first.wait_until(lambda: first.shards >= 4)
    said = workspace.run("align")
    assert first.finish().count("cached") == 0
    assert first.process.returncode == 0
    assert said.count(f"data/tiny/faces.h5: {WAITING}") == 1
    assert "align: all 120 rows were cached" in said
    assert sorted(workspace.started()) == sorted(set(workspace.started()))
    assert len(workspace.started()) == PICTURES
    assert workspace.bytes_of("faces.h5") == [undisturbed["faces.h5"]]


@pytest.mark.slow
def test_bytes_depend_on_nothing_but_the_pictures(
    ingested: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Files made in another order elsewhere, other shards filled in another order, another hash seed, two workers."""
    other = Workspace(tmp_path / "some where/élse", ingested)
    (other.folder / "pictures").unlink()
    for path in sorted(ingested.glob("pictures/*/*.jpg"), key=lambda path: path.name[::-1], reverse=True):
        copy = other.folder / path.relative_to(ingested)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    rows = read_manifest(other.data / "manifest.csv")
    (other.data / "manifest.csv").unlink()
    ingest = (
        "import sys\nfrom fer_au.datasets import ingest_dataset, load_dataset_config\nfrom pathlib import Path\n"
        "ingest_dataset('tiny', load_dataset_config('tiny'), Path('data/tiny'))\n"
    )
    environment = other.environment(PYTHONHASHSEED="7")
    subprocess.run([sys.executable, "-c", ingest], cwd=other.folder, env=environment, check=True, capture_output=True)
    manifest = (other.data / "manifest.csv").read_bytes()
    assert manifest == (ingested / "data/tiny/manifest.csv").read_bytes()

    (other.data / "annotations.h5").unlink()  # it keeps the digest of the manifest that ingest wrote
    write_manifest(other.data / "manifest.csv", rows[1::3])
    other.run(*STAGES, shard_rows=7, env={"PYTHONHASHSEED": "1"})
    write_manifest(other.data / "manifest.csv", rows[60:])
    other.run("align", shard_rows=3, env={"FER_AU_WORKERS": "1"})
    (other.data / "manifest.csv").write_bytes(manifest)
    other.run(*STAGES, shard_rows=5, env={"PYTHONHASHSEED": "7"})
    assert other.bytes_of(*STORES) == list(undisturbed.values())
    assert len(other.started()) == len(set(other.started())) == 2 * PICTURES


def test_stages_as_scripts_give_the_same_bytes(workspace: Workspace, undisturbed: dict[str, bytes]) -> None:
    """The observed stages above are the real ones."""
    for stage in STAGES:
        command = [sys.executable, str(ROOT / f"stages/{stage}.py"), "tiny"]
        done = subprocess.run(
            command, cwd=workspace.folder, env=workspace.environment(), capture_output=True, text=True
        )
        assert (done.returncode, errors(done.stderr)) == (0, [])
    assert workspace.bytes_of(*STORES) == list(undisturbed.values())

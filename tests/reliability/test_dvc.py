"""The stages under DVC: a repro that is killed alone, and extractors that come and go."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.reliability.conftest import PICTURES, STORES
from tests.reliability.observed import INTERRUPTED, PAUSE
from tests.reliability.workspace import Run, Workspace, errors

INPUTS = {"align": ["manifest.csv"], "landmarks": ["faces.h5"], "heatmaps": ["landmarks.h5", "manifest.csv"]}
WORKERS, SHARD = 2, 4


class Lab(Workspace):
    """A workspace that is a DVC project: the three stages, each after its inputs and its section of params.yaml."""

    def __init__(self, folder: Path, ingested: Path) -> None:
        super().__init__(folder, ingested)
        (folder / ".dvc").rmdir()
        self.type("git", "init", "-q")
        self.type("dvc", "init", "-q")
        self.type("dvc", "config", "core.analytics", "false")
        settings = f'{{"diary": "{self.diary}", "shard_rows": {SHARD}, "pause": 0.02}}'
        stages: dict[str, Any] = {}
        for stage, inputs in INPUTS.items():
            rejects = [] if stage == "heatmaps" else [f"data/tiny/rejects/{stage}.csv"]
            stages[stage] = {
                "cmd": f"{sys.executable} -m tests.reliability.observed tiny '{settings}' {stage}",
                "deps": [f"data/tiny/{name}" for name in inputs],
                "params": [stage],
                "outs": [f"data/tiny/{stage.replace('align', 'faces')}.h5", *rejects],
            }
        (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))

    def environment(self, **env: str) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return super().environment(PATH=path, DVC_NO_ANALYTICS="1", **env)

    def type(self, *command: str) -> str:
        """Run a command in the lab; what it said on stdout."""
        done = subprocess.run(command, cwd=self.folder, env=self.environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def repro(self, shell: str | None = os.environ.get("SHELL"), **env: str) -> Run:
        """Start `dvc repro`, with the variable SHELL or without it."""
        self._runs += 1
        stderr = self.folder / f"stderr-{self._runs}.txt"
        with stderr.open("wb") as file:
            process = subprocess.Popen(
                ["dvc", "repro"],
                cwd=self.folder,
                env={key: value for key, value in self.environment(SHELL=shell or "", **env).items() if value},
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,
            )
        return Run(process, self.diary, stderr)

    def ran(self) -> list[str]:
        """The stages that a `dvc repro` really runs."""
        return re.findall(r"Running stage '(\w+)'", self.type("dvc", "repro"))


@pytest.fixture
def lab(ingested: Path, tmp_path: Path) -> Lab:
    return Lab(tmp_path / "lab", ingested)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "last_shard"),
    [("bash", False), ("dash", False), (None, False), ("bash", True)],
    ids=["in the midst, bash", "in the midst, dash", "in the midst, no SHELL", "in the last shard"],
)
def test_a_killed_repro_and_a_new_one_at_once_end_both_right(
    lab: Lab, undisturbed: dict[str, bytes], shell: str | None, last_shard: bool
) -> None:
    # DVC starts a stage by $SHELL, or /bin/sh without it. bash becomes the stage; dash stays above it and outlives DVC.
    # DVC dies alone, and the stage looks for it twice a second. In the midst, what is left of the stage lasts far
    # longer. In its last shard, it may be done before it looks: then it ends as ever, and that is right, too.
    path = shell and shutil.which(shell)
    if shell and not path:
        pytest.skip(f"{shell} is not installed")
    first = lab.repro(path, **{} if last_shard else {PAUSE: "0.5"})
    assert first.wait_until(lambda: first.shards >= (PICTURES // SHARD if last_shard else 3))
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    second = lab.repro()
    said = second.finish()
    assert second.process.returncode == 0, said
    first.wait_alone()
    last = first.said.splitlines()[-1]
    done = last.startswith(f"align tiny: {PICTURES} of {PICTURES} faces found")
    assert last == f"interrupted: {INTERRUPTED}" or (last_shard and done)
    for text in (first.said, said):
        assert errors(text) == []
    assert lab.bytes_of(*STORES) == list(undisturbed.values())
    again = len(lab.started()) - 2 * PICTURES
    assert 0 <= again <= WORKERS * SHARD  # what the first had computed was kept
    # What DVC wrote down is what lies there: nothing is to be done, and nothing was changed behind its back.
    assert lab.type("dvc", "status").strip() == "Data and pipelines are up to date."
    assert lab.ran() == []


@pytest.mark.slow
def test_extractors_come_and_go_without_align_and_the_way_back_is_free(lab: Lab) -> None:
    def swap(name: str) -> list[str]:
        lab.write_params(landmarks={"extractor": name, "max_reject_fraction": 1.0})
        return lab.ran()

    assert swap("dlib68") == ["align", "landmarks", "heatmaps"]
    before = lab.bytes_of(*STORES)
    seen = {before[1]}
    for name in ("mediapipe", "faceapi68"):
        assert swap(name) == ["landmarks", "heatmaps"]
        faces, points, _ = lab.bytes_of(*STORES)
        assert faces == before[0]
        seen.add(points)
    assert len(seen) == 3
    begun = len(lab.started())
    assert begun == 4 * PICTURES
    assert swap("dlib68") == []
    assert lab.bytes_of(*STORES) == before
    # Without DVC's memory, too, no face is looked at again.
    (lab.data / "landmarks.h5").unlink()
    lab.run("landmarks")
    assert lab.bytes_of(*STORES) == before
    assert len(lab.started()) == begun

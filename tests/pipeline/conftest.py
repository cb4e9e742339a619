"""A real project in a folder of its own: sources copied, demo faces few and small, `dvc repro` for real."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SOURCES = ("fer_au", "stages", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", "pyproject.toml", "README.md")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


SMALL = {
    "render.demo": {"identities": 8, "images": 7, "size": 160},
    "align.size": 96,
    "train.epochs": 1,
    "train.schedule.warmup_epochs": 0.5,  # of one epoch, so that the schedule begins, too
    "train.batch_size": 16,
    "train.image_size": 48,
    "evaluate.faithfulness_images": 4,
    "datasets.demo.valid_fraction": 0.2,
}


class Project:
    """A copy of the project with small demo settings.

    Args:
        folder: Its folder; may exist.
        compiled: With the byte code and the parsed sources that another clone has after its first run.
        runnable: A repository of git and of DVC; otherwise sources alone.
    """

    def __init__(self, folder: Path, *, compiled: bool = True, runnable: bool = True) -> None:
        self.folder = folder
        if compiled and runnable:
            shutil.copytree(_compiled(), folder, symlinks=True, dirs_exist_ok=True)
            return
        folder.mkdir(exist_ok=True)
        for name in SOURCES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / name)
        shutil.copytree(ROOT / "data/codebooks", folder / "data/codebooks")
        if not runnable:
            return
        (folder / "benchmarks/results").mkdir(parents=True)
        shutil.copy(ROOT / "benchmarks/results/README.md", folder / "benchmarks/results")
        (folder / "models/none").mkdir(parents=True)
        (folder / "models/none/.gitkeep").touch()
        self.edit("params.yaml", SMALL)
        self.run("git", "init", "-q")
        self.run("dvc", "init", "-q")
        self.run("dvc", "config", "core.analytics", "false")

    def edit(self, name: str, changes: dict[str, object]) -> None:
        """Set dotted keys of a YAML file."""
        path = self.folder / name
        data = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            *parents, last = key.split(".")
            place = data
            for parent in parents:
                place = place[parent]
            place[last] = value
        path.write_text(yaml.safe_dump(data, sort_keys=False))

    def run(
        self, *command: str, check: bool = True, timeout: float | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of this environment in the project; nothing is inherited that would hide byte code."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "FER_AU_CACHE": str(self.folder / ".fer_au/cache"),
            **env,
        }
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=timeout
        )
        if check and done.returncode != 0:
            pytest.fail(f"{' '.join(command)} exited {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done

    def ran(self, *command: str, timeout: float | None = None, **env: str) -> list[str]:
        """The stages that a `dvc repro` really ran (not skipped, not taken from the run cache)."""
        output = self.run("dvc", "repro", *command, timeout=timeout, **env).stdout
        return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]

    def bytes_of(self, *names: str) -> list[bytes]:
        """Contents of files."""
        return [(self.folder / name).read_bytes() for name in names]


@cache
def _compiled() -> Path:
    """A project where the stage `stamp` has run once and is forgotten: what projects copy, made once for all tests."""
    folder = Path(tempfile.mkdtemp(prefix="fer_au-project-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    project = Project(folder, compiled=False)
    project.run("python", "stages/stamp.py")
    (folder / "stages/stamp.json").unlink()
    return folder


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project after one whole `dvc repro`; tests that use it leave it as they found it."""
    project = Project(tmp_path_factory.mktemp("reproduced"), compiled=False)
    project.run("dvc", "repro")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh small project."""
    return Project(tmp_path)

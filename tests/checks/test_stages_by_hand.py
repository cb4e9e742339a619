"""A stage that is started by hand says when params.yaml has no entry of that name, or what it reads isn't made yet."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fer_au.errors import ConfigError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("stage", ["render", "ingest", "align", "landmarks", "heatmaps"])
def test_a_misspelt_data_set_is_told_with_a_near_name(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    main = runpy.run_path(str(ROOT / "stages" / f"{stage}.py"))["main"]
    with pytest.raises(ConfigError, match="has no 'dmeo'; did you mean demo"):
        main("dmeo")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which nothing has run."""
    folder = tmp_path_factory.mktemp("bare")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "stages", folder / "stages", ignore=shutil.ignore_patterns("__pycache__", "stamp.json"))
    (folder / "models/none").mkdir(parents=True)
    (folder / "fer_au").symlink_to(ROOT / "fer_au")
    return folder


def told(project: Path, stage: str, name: str) -> str:
    """The line in which a stage that is started by hand refuses its work."""
    environment = {key: value for key, value in os.environ.items() if key != "DVC_STAGE"}
    environment["PYTHONPATH"] = str(project)
    command = [sys.executable, f"stages/{stage}.py", name]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("stage", "name", "file"),
    [
        ("align", "demo", "data/demo/manifest.csv"),
        ("landmarks", "demo", "data/demo/faces.h5"),
        ("heatmaps", "demo", "data/demo/manifest.csv"),
        ("train", "au", "data/demo/manifest.csv"),
        ("evaluate", "au", "models/au/config.json"),
    ],
)
def test_a_stage_whose_input_is_not_made_yet_says_what_makes_it(bare: Path, stage: str, name: str, file: str) -> None:
    line = told(bare, stage, name)
    assert line.startswith(f"error: {file}: ")
    assert line.endswith(f"; `dvc repro {stage}@{name}` first makes what the stage reads")


def test_another_error_names_no_stage_that_should_run_first(bare: Path) -> None:
    assert told(bare, "align", "demmo").endswith("did you mean demo?")

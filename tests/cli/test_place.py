"""Where and how ``fer-au`` is called: from below the project, with ``-h``, by a stage's name, as a module."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fer_au.yaml_files import read_yaml
from tests.cli.conftest import Call
from tests.cli.test_help import COMMANDS

ROOT = Path(__file__).parents[2]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]


@pytest.fixture
def project(call: Call, tmp_path: Path) -> Path:
    """A folder with the files that make a project, and a folder below it."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "data/demo").mkdir(parents=True)
    (tmp_path / "data/demo/faces.h5").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_option_shows_the_help_of_every_command(name: str, call: Call) -> None:
    words = name.split()[1:]
    assert call(*words, "-h") == call(*words, "--help")
    assert call(*words, "-h")[0] == 0


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("results",), "results: this folder has no params.yaml"),
        (("check-params",), "check-params: this folder has no params.yaml"),
        (("cache", "info"), "cache: this folder has no params.yaml"),
        (("cache", "prune"), "cache: this folder has no params.yaml"),
        (("verify", "data/demo/faces.h5"), "data/demo/faces.h5: not in this folder"),
        (("store", "info", "data/demo/faces.h5"), "data/demo/faces.h5: not in this folder"),
        (("check-data", "demo", "data/demo"), "data/demo: not in this folder"),
    ],
)
def test_a_command_below_the_project_names_its_folder(
    words: tuple[str, ...], what: str, call: Call, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "data")
    assert call(*words) == (2, "", f"error: {what}; run it in the project's folder, {project}\n")
    assert call(*words, "-h")[0] == 0
    assert not (project / "data/.fer_au").exists()


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "report"])  # which is a command, too
def test_a_stage_typed_as_a_command_is_left_to_dvc(
    stage: str, call: Call, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeated = "foreach" in STAGES[stage]
    run = f"dvc repro {stage}{'@NAME' if repeated else ''}"
    assert call(stage) == (2, "", f"error: {stage} is run by DVC: `{run}`\n")
    if repeated:
        assert call(stage, "au")[2] == f"error: {stage} is run by DVC: `dvc repro {stage}@au`\n"
        assert call(f"{stage}@au")[2] == f"error: {stage}@au is run by DVC: `dvc repro {stage}@au`\n"
    monkeypatch.chdir(project / "data")
    assert call(stage)[2] == f"error: {stage} is run by DVC: `{run}` in {project}\n"


def test_what_is_no_stage_gets_the_near_command(call: Call, project: Path) -> None:
    assert "Did you mean 'results'" in call("reslts")[2]
    assert "Did you mean 'write'" in call("presets", "wrte")[2]
    assert call("repro")[2] == "error: repro is run by DVC: `dvc repro`\n"


def test_the_package_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "fer_au", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("fer-au ")

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_au.config.reading import read_params
from fer_au.scaffold.init import init_project
from fer_au.scaffold.record import RECORD
from fer_au.scaffold.template import read_template
from fer_au.yaml_files import read_yaml
from tests.cli.conftest import Call
from tests.cli.conftest import call as call

STAGES = {"stamp", "render", "ingest", "align", "landmarks", "heatmaps", "train", "evaluate", "cross", "report"}


def faces(folder: Path, *labels: str) -> Path:
    """Class folders below train and test."""
    for number, label in enumerate(labels):
        for split, count in (("train", 6), ("test", 2)):
            (folder / split / label).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                picture = np.random.default_rng([number, index, count]).integers(0, 255, (40, 40, 3), np.uint8)
                Image.fromarray(picture).save(folder / split / label / f"{index}.png")
    return folder


def test_a_project_has_all_that_its_stages_name(tmp_path: Path, call: Call) -> None:
    code, out, err = call("init", "lab")
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == [
        "lab: ran `git init`",
        "next:",
        "1. cd lab",
        "2. dvc repro    # the demo: about six minutes on two cores; then open report/index.html",
    ]
    lab = tmp_path / "lab"
    assert {path.stem for path in (lab / "stages").glob("*.py")} == STAGES == set(read_yaml(lab / "dvc.yaml")["stages"])
    for needed in ("models/none", "benchmarks/results", ".dvc/config", ".dvcignore", ".gitignore", "constraints.txt"):
        assert (lab / needed).exists(), needed
    assert "demo" in read_params(lab / "params.yaml")["datasets"]
    assert (lab / "README.md").read_text().startswith("# lab\n")
    assert set(json.loads((lab / RECORD).read_text())["files"]) == set(read_template())


def test_dvc_reads_a_new_project_in_a_folder_of_its_own_and_below_another_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "outer")], check=True)
    for lab in (tmp_path / "lab", tmp_path / "outer/lab"):
        init_project(lab)
        done = subprocess.run(["dvc", "stage", "list", "--name-only"], cwd=lab, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert {"stamp", "train@au", "report"} <= set(done.stdout.split())
        ignored = subprocess.run(["git", "check-ignore", "data/demo/faces.h5"], cwd=lab, capture_output=True)
        assert ignored.returncode == 0
    assert not (tmp_path / "outer/lab/.git").exists()


def test_a_preset_is_filled_with_ones_own_pictures(tmp_path: Path, call: Call) -> None:
    faces(tmp_path / "photographs", "happy", "sad")
    code, out, _ = call("init", "lab", "--from-preset", "best-small", "--data", "photographs")
    assert code == 0
    root = tmp_path / "photographs"
    assert f"faces: photographs, read by adapter folder: {2 * 8} faces" in out
    params = read_params(tmp_path / "lab/params.yaml")
    assert params["datasets"] == {"faces": {"adapter": "folder", "root": str(root), "valid_fraction": 0.1}}
    assert "recipe-au" in params["experiments"]
    text = (tmp_path / "lab/params.yaml").read_text()
    assert text.startswith("# Written by: fer-au init lab --from-preset best-small --data photographs\n")
    assert "Edit." not in text  # the root is there


def test_data_alone_gives_a_first_look_in_the_frame_that_fits(tmp_path: Path, call: Call) -> None:
    faces(tmp_path / "photographs", "happy", "sad")
    assert call("init", "lab", "--data", "photographs")[0] == 0
    params = read_params(tmp_path / "lab/params.yaml")
    assert list(params["experiments"]) == ["vanilla", "au"]
    assert params["datasets"]["faces"]["align"]  # what check-data advises


def test_what_is_wrong_with_the_pictures_is_told(tmp_path: Path, call: Call) -> None:
    root = faces(tmp_path / "photographs", "happy", "sad", "angry")
    (root / "train/happy/broken.png").write_bytes(b"no picture")
    _, out, _ = call("init", "lab", "--data", "photographs")
    assert "faces: 1 not_an_image: " in out
    assert "faces: examples, and all that was guessed: fer-au check-data photographs" in out


def test_published_numbers_of_a_preset_lie_beside_its_settings(tmp_path: Path, call: Call) -> None:
    code, out, _ = call("init", "lab", "--from-preset", "lan-rafdb")
    assert code == 0
    assert (tmp_path / "lab/params.published.yaml").is_file()
    assert "set the root in line" in out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["lab", "--from-preset", "nosuch"], "nosuch"),
        (["lab", "--data", "nowhere"], "nowhere: no such folder"),
        (["lab", "--from-preset", "cross-dataset", "--data", "photographs"], "say which, as --data NAME=ROOT"),
        (["lab", "--data", "photographs", "--data", "faces=photographs"], "--data: faces is given twice"),
        (["a{b}", "--from-preset", "best-small"], "DVC doesn't work below a folder whose name has { or }"),
        (["taken"], "taken/params.yaml: exists, and isn't what init would write; name another folder"),
        (["file"], "file: is a file; a project is a folder"),
        (["made/below"], "lies in the project"),
        (["made"], "made: is a project already; `fer-au upgrade` there brings it to this release"),
    ],
)
def test_what_can_not_be_a_project_is_one_line_and_nothing_is_written(
    words: list[str], line: str, tmp_path: Path, call: Call
) -> None:
    faces(tmp_path / "photographs", "happy", "sad")
    init_project(tmp_path / "made")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/params.yaml").write_text("mine: 1\n")
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    code, _, err = call("init", *words)
    assert code == 2
    *_, last = err.splitlines()
    assert last.startswith("error: ")
    assert line in last
    left = [path for path in sorted(tmp_path.rglob("*")) if path not in before and "cache" not in path.parts]
    assert left == []


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    init_project(tmp_path / "lab")
    (tmp_path / "lab" / RECORD).unlink()  # it comes last
    (tmp_path / "lab/dvc.yaml").unlink()
    (tmp_path / "lab/notes.txt").write_text("of the lab")
    init_project(tmp_path / "lab")
    assert (tmp_path / "lab/dvc.yaml").is_file()
    assert (tmp_path / "lab/notes.txt").is_file()


def test_without_git_dvc_runs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_au.scaffold.init.shutil.which", lambda name: None)
    lines = init_project(tmp_path / "lab")
    assert (
        lines[-1] == "git isn't installed: DVC runs without it (core.no_scm in .dvc/config), and nothing is versioned"
    )
    done = subprocess.run(["dvc", "stage", "list", "--name-only"], cwd=tmp_path / "lab", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "report" in done.stdout

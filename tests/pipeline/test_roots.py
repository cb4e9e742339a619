"""Pictures under the real DVC: what changes reruns ``ingest``, what is odd is a reject row and stops nothing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from fer_au.datasets import read_manifest
from fer_au.rejects import read_rejects
from tests.pipeline.conftest import Project

SECONDS = 240


def draw(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((24, 24, 3), value, np.uint8))


@pytest.fixture
def own(tmp_path: Path) -> Project:
    """A project whose pictures lie outside of it."""
    project = Project(tmp_path / "project")
    for number in range(12):
        draw(tmp_path / f"faces/{('happy', 'sad')[number % 2]}/{number}.png", 20 * number)
    entry = {"adapter": "folder", "root": str(tmp_path / "faces"), "test_fraction": 0.2, "max_reject_fraction": 0.9}
    path = project.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params |= {"datasets": {"mine": entry}, "experiments": {}}
    del params["render"]
    path.write_text(yaml.safe_dump(params))
    return project


def ingest(project: Project) -> bool:
    """Whether a `dvc repro` that must end soon ran the stage."""
    try:
        return "ingest@mine" in project.ran("ingest@mine", timeout=SECONDS)
    except subprocess.TimeoutExpired:
        pytest.fail("dvc repro hangs")


def test_a_changed_added_or_removed_picture_reruns_ingest(own: Project) -> None:
    faces = own.folder.parent / "faces"
    assert ingest(own)
    assert not ingest(own)
    draw(faces / "happy/0.png", 255)
    assert ingest(own)
    draw(faces / "sad/new.png", 3)
    assert ingest(own)
    (faces / "sad/new.png").unlink()
    assert not ingest(own)  # DVC's run cache knows the pictures of before
    for path in faces.rglob("*.png"):
        os.utime(path)
    assert not ingest(own)


def bind(path: Path) -> None:
    """Make a socket; its address, unlike a path, may have no more than a hundred characters."""
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe.png": (os.mkfifo, "not_an_image"),
    "endless.png": (lambda path: path.symlink_to("/dev/zero"), "outside_root"),
    "broken.png": (lambda path: path.symlink_to("nowhere"), "missing_file"),
    "loop.png": (lambda path: path.symlink_to(path), "missing_file"),
    "socket.png": (bind, "not_an_image"),
    "folder.png": (Path.mkdir, "not_an_image"),
    "all": (lambda path: path.symlink_to("/"), "outside_root"),
    os.fsdecode(b"\xff.png"): (Path.touch, "unreadable"),
}


def test_odd_entries_are_reject_rows_and_stop_nothing(own: Project) -> None:
    folder = own.folder.parent / "faces/happy"
    for name, (make, _) in ODD.items():
        make(folder / name)
    assert ingest(own)
    assert not ingest(own)
    expected = {
        f"happy/{name}".encode("utf-8", "backslashreplace").decode(): reason for name, (_, reason) in ODD.items()
    }
    found = {reject.id: str(reject.reason) for reject in read_rejects(own.folder / "data/mine/rejects/ingest.csv")}
    assert found == expected
    assert "ingest@mine" not in own.run("dvc", "status", timeout=SECONDS).stdout


def test_pictures_that_are_gone_change_nothing(own: Project) -> None:
    """An unmounted disk, or a colleague without the pictures: also where DVC's flags are forgotten."""
    faces = own.folder.parent / "faces"
    assert ingest(own)
    before = own.bytes_of("data/mine/manifest.csv")
    faces.rename(own.folder.parent / "elsewhere")
    assert not ingest(own)
    faces.mkdir()  # as an empty mount point
    assert not ingest(own)
    assert own.bytes_of("data/mine/manifest.csv") == before


def pictures_of(project: Project, stages: set[str]) -> set[str]:
    """The sha256 sums of the pictures, the same for both data sets after one run of these stages and none after it."""
    assert set(project.ran("align")) == stages
    assert project.ran("align") == ["stamp"]
    manifests = [read_manifest(project.folder / f"data/{name}/manifest.csv") for name in ("demo", "second")]
    sums = [{row.sha256 for row in rows} for rows in manifests]
    assert sums[0] == sums[1]
    return sums[0]


def test_two_data_sets_of_one_rendered_folder(project: Project) -> None:
    second = {"adapter": "demo", "root": "data/demo/raw", "seed": 1}
    project.edit("params.yaml", {"datasets.second": second})
    everything = {"stamp", "render@demo", "ingest@demo", "ingest@second", "align@demo", "align@second"}
    rendered = [pictures_of(project, everything)]
    project.edit("params.yaml", {"render.demo.seed": 1})
    rendered.append(pictures_of(project, everything))
    assert not rendered[0] & rendered[1]
    shutil.rmtree(project.folder / "data/demo/raw")
    project.edit("params.yaml", {"datasets.second.seed": 2})  # read anew, of faces that are gone
    assert pictures_of(project, {"stamp", "ingest@second", "align@second"}) == rendered[1]
    os.mkfifo(project.folder / "data/demo/raw/pipe")
    done = project.run("dvc", "repro", "ingest", check=False, timeout=SECONDS)
    assert done.returncode != 0
    assert "data/demo/raw: DVC keeps these faces, and can't read pipe (no regular file); remove it" in done.stderr


NAMES = [
    "x; touch PWNED #",
    "$(touch PWNED)",
    "`touch PWNED`",
    "x'; touch PWNED; '",
    "x\ntouch PWNED",
    "../../x",
    "a b",
]
WAYS = [[], ["--force"], ["--keep-going"], ["--ignore-errors"], ["--single-item"], ["--downstream"]]


def test_no_name_reaches_a_shell_whichever_way_dvc_runs_a_stage(project: Project) -> None:
    model = {"backbone": "test_resnet"}
    entries: dict[str, dict[str, object]] = {
        "datasets": {"adapter": "demo", "root": "faces"},
        "render": {},
        "experiments": {"dataset": "demo", "base": "none", "model": model},
        "cross": {"experiment": "au", "dataset": "demo"},
    }
    stages = {"datasets": "ingest", "render": "render", "experiments": "train", "cross": "cross"}
    project.edit("params.yaml", {"cross": {}, "experiments.au.dataset": "demo"})
    before = (project.folder / "params.yaml").read_text()
    for number, name in enumerate(NAMES):
        params = yaml.safe_load(before)
        for section, entry in entries.items():
            params[section][name] = entry
        (project.folder / "params.yaml").write_text(yaml.safe_dump(params))
        section = list(entries)[number % len(entries)]
        for way in WAYS[number % len(WAYS) :][:1]:
            target = f"{stages[section]}@{name}"
            done = project.run("dvc", "repro", *way, target, check=False, timeout=SECONDS)
            assert done.returncode != 0 or way == ["--ignore-errors"]
            assert not list(project.folder.rglob("PWNED")), (name, way)


def test_commands_of_the_pipeline_hold_nothing_of_params_yaml() -> None:
    root = Path(__file__).parents[2]
    stages = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]
    assert {stage.get("do", stage)["cmd"] for stage in stages.values()} == {
        f"python stages/{name}.py" for name in stages
    }

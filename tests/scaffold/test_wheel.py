"""A wheel is built of this repository, installed apart from it, and a project of it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def run(*words: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(words, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked(*below: str) -> list[str]:
    names = subprocess.run(["git", "ls-files", "-z", *below], cwd=ROOT, capture_output=True, text=True).stdout
    found = [name for name in names.split("\0") if name and (ROOT / name).is_file()]
    # a download without .git
    return found or [str(path.relative_to(ROOT)) for one in below for path in (ROOT / one).rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built in a copy of the sources, so that nothing is left in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    names = [line.split()[1] for line in (ROOT / "MANIFEST.in").read_text().splitlines()]
    copied = [path.relative_to(ROOT).as_posix() for name in names for path in ROOT.glob(name)]
    more = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "NOTICE")
    for name in [*tracked("fer_au"), *copied, *more]:
        target = folder / "sources" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--no-index")
    run(*pip, "--wheel-dir", str(folder), str(folder / "sources"), folder=folder)
    return next(folder.glob("fer_au-*.whl"))


def test_a_wheel_holds_all_files_of_the_package_and_of_a_project(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    assert set(tracked("fer_au")) - held == set()
    for name in ("dvc.yaml", "params.yaml", "stages/stamp.py", ".dvc/config", ".gitignore", "models/none/.gitkeep"):
        assert f"fer_au/project_files/{name}" in held


def test_a_project_of_the_installed_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "installed"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place))
    run(*pip, str(wheel), folder=tmp_path)
    own = {"PYTHONPATH": str(place), "FER_AU_CACHE": str(tmp_path / "cache"), "FER_AU_WORKERS": "1"}
    run(sys.executable, "-m", "fer_au", "init", "lab", folder=tmp_path, **own)
    lab = tmp_path / "lab"
    yaml = YAML()
    params = yaml.load(lab / "params.yaml")
    params["render"]["demo"] |= {"identities": 6, "images": 7, "size": 96, "test_fraction": 0.34}
    params["train"] |= {"epochs": 1, "image_size": 32}
    params["align"] |= {"size": 64}
    params["evaluate"] |= {"cams": ["native"], "attention_layers": ["last"], "faithfulness_images": 0, "moved": False}
    yaml.dump(params, lab / "params.yaml")
    out = run(sys.executable, "-m", "fer_au", "run", "--jobs", "2", folder=lab, **own)
    assert "2 done\n" in out
    assert (lab / "report/index.html").is_file()
    changed = [line for line in run("dvc", "status", folder=lab, **own).splitlines() if line.endswith(":")]
    assert [line for line in changed if not line.startswith(("stamp", "\t"))] == []  # DVC knows all of it
    assert not list(lab.glob("fer_au"))
    told = run(sys.executable, "-m", "fer_au", "upgrade", folder=lab, **own).splitlines()
    assert told[1:] == ["all files are this release's", "`dvc repro` runs nothing again because of this release's code"]

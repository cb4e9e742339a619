"""A clone, pictures and caches in folders of any name: blanks, quotes, what a shell or make would read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from fer_au.datasets import read_manifest
from tests.pipeline.conftest import ROOT, Project

ODD = """it's "my" müde 顔 & $HOME `x` #1 %41 (old); ~ -x"""
"""What Python's own environments can't bear is in it, too: $, ` and double quotes."""

COMMON = "-dash my faces, it's müde 顔 R&D; #1 %41 (old) [1]*?"
UNBEARABLE = ['the "new" one', "a $HOME b", "a `x` b"]

ELSEWHERE = "rename the folder, or keep the environment elsewhere: make VENV=/another/folder venv"

HEATMAPS = ["stamp", "render@demo", "ingest@demo", "align@demo", "landmarks@demo", "heatmaps@demo"]
FACES = {"identities": 2, "images": 7, "size": 96, "test_fraction": 0.5}


def run(folder: Path, *command: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a clone as its user would: nothing but the clone's own environment knows the package."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"FER_AU_CACHE": str(folder / ".fer_au/cache"), "PYTHON": sys.executable, **env}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if check and done.returncode != 0:
        pytest.fail(f"{command} exited {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


def make(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run make; pip builds and links the project with what this environment has, and asks no index."""
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_CONFIG_FILE": os.devnull}
    return run(folder, "make", *arguments, check=check, **offline)


def lend_packages(environment: Path) -> None:
    """Make a virtual environment that has the packages of this one, pip included, and scripts of its own."""
    venv.create(environment, with_pip=False, symlinks=True)
    (site,) = (environment / "lib").glob("python*/site-packages")
    (site / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n")


@pytest.fixture
def clone(tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    """The small project in a folder of the given name."""
    project = Project(tmp_path / request.param)
    project.edit("params.yaml", {"render.demo": FACES})
    for name in ("Makefile", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, project.folder)
    return project


@pytest.mark.slow
@pytest.mark.parametrize("clone", [COMMON], indirect=True)
def test_make_installs_a_clone_and_its_scripts_run(clone: Project) -> None:
    lend_packages(clone.folder / ".venv")
    make(clone.folder, "venv")
    assert run(clone.folder, ".venv/bin/fer-au", "cache", "info").stdout.startswith(str(clone.folder))
    where = run(clone.folder, ".venv/bin/python", "-c", "import fer_au; print(fer_au.__file__)").stdout.strip()
    assert Path(where).samefile(clone.folder / "fer_au/__init__.py")
    # As after `. .venv/bin/activate`, in the shell of whoever types it.
    activated = '. .venv/bin/activate && command -v python && fer-au cache info && python -c "import fer_au"'
    assert run(clone.folder, "sh", "-c", activated).stdout.startswith(str(clone.folder / ".venv/bin/python"))
    assert "All checks passed" in make(clone.folder, "lint").stdout


@pytest.mark.parametrize(("name", "remedy"), [*((name, ELSEWHERE) for name in UNBEARABLE), ("{a}", "rename it")])
def test_make_refuses_a_folder_that_environments_or_dvc_cannot_bear(tmp_path: Path, name: str, remedy: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for file in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    done = make(folder, "venv", check=False)
    assert done.returncode == 2
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("error:")]
    assert line.endswith(remedy)
    assert not list(folder.glob(".venv/.installed"))


@pytest.mark.slow
@pytest.mark.parametrize("clone", [ODD], indirect=True)
def test_make_runs_the_whole_pipeline_with_an_environment_elsewhere(clone: Project, tmp_path: Path) -> None:
    lend_packages(tmp_path / "environment")
    clone.edit("params.yaml", {"render.demo.identities": 8})
    params = {"experiments.au.guidance": [], "evaluate.cams": ["native"], "evaluate.faithfulness_images": 0}
    clone.edit("params.yaml", params)
    done = make(clone.folder, f"VENV={tmp_path / 'environment'}", "repro")
    assert done.stdout.count("Running stage") == len(HEATMAPS) + 5
    assert "vanilla" in (clone.folder / "report/index.html").read_text()


@pytest.mark.parametrize("clone", [f"{ODD} [a]*?, b"], indirect=True)
def test_stages_workers_and_caches_work_in_folders_of_any_name(clone: Project, tmp_path: Path) -> None:
    cache = tmp_path / f"cache {ODD}"
    settings = {"FER_AU_CACHE": str(cache), "FER_AU_WORKERS": "2"}
    assert clone.ran("heatmaps", **settings) == HEATMAPS
    assert list(cache.rglob("*.h5"))
    assert clone.ran("heatmaps", **settings) == ["stamp"]
    assert "@demo" not in clone.run("dvc", "status", "heatmaps").stdout
    # A codebook of one's own in the home folder; an edit of it counts.
    home = tmp_path / f"home {clone.folder.name}"
    home.mkdir()
    book = home / "it's mine.yaml"
    shutil.copy(ROOT / "fer_au/cues/codebooks/paper.yaml", book)
    clone.edit("params.yaml", {"heatmaps.codebook": f"~/{book.name}"})
    for _ in range(2):
        assert clone.ran("heatmaps", HOME=str(home), **settings) == ["stamp", "heatmaps@demo"]
        book.write_text(book.read_text().replace("happiness: [6, 12", "happiness: [12"))
    clone.edit("params.yaml", {"heatmaps.codebook": "corrected"})
    # Pictures elsewhere, in a folder of any name; what was aligned once is found by its bytes.
    elsewhere = tmp_path / f"faces {clone.folder.name}"
    shutil.move(clone.folder / "data/demo/raw", elsewhere)
    far = {"far": {"adapter": "demo", "root": str(elsewhere)}}
    clone.edit("params.yaml", {"render": {}, "datasets": far, "experiments": {}})
    done = clone.run("dvc", "repro", "heatmaps", **settings)
    assert done.stdout.count("Running stage") == 5
    assert "align: all 14 rows were cached" in done.stderr
    assert len(read_manifest(clone.folder / "data/far/manifest.csv")) == 14
    # Two people can't fill three splits, so it ends with 2; all pictures are found none the less.
    checked = clone.run("fer-au", "check-data", "demo", str(elsewhere), "--no-frame", check=False)
    assert "pictures: 14, all opened" in checked.stdout

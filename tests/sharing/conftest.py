"""A lab's repository with sixteen rendered faces; nobody has run anything yet."""

from __future__ import annotations

import csv
import os
import shutil
import socket
from pathlib import Path

import pytest
import yaml

from fer_au.config.data import DemoConfig
from fer_au.demo.generate import generate
from tests.docs.blocks import read_blocks
from tests.sharing.console import Lab

ROOT = Path(__file__).parents[2]
GUIDE = ("docs/sharing.md", "docs/sharing-work.md")  # two pages, typed one after the other
(SETTINGS,) = read_blocks(GUIDE[0], "yaml")
SOURCES = ("fer_au", "stages", "docs", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", "pyproject.toml")
FACES = 16


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The lab's disk with pictures and the administrator's clone, as the guide presumes them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = {r"-g lab\b": f"-g {os.getgid()}", r"\bnode1:8786\b": f"127.0.0.1:{port}"}
    words |= {r"--port 8786\b": f"--host 127.0.0.1 --port {port}"}
    lab = Lab(tmp_path_factory.mktemp("sharing"), words, ROOT)
    furnish(lab)
    return lab


def furnish(lab: Lab) -> None:
    """Put pictures on the lab's disk, twice, and a clone of the project into the administrator's home."""
    _draw_pictures(lab.disk / "pictures/wild")
    shutil.copytree(lab.disk / "pictures/wild", lab.disk / "elsewhere/wild")
    _clone_project(lab)


def _draw_pictures(root: Path) -> None:
    """Class folders below split folders, with the demo's faces."""
    drawn = root.parent / "drawn"
    generate(DemoConfig(identities=4, images=4, size=160, test_fraction=0.25), drawn)
    with (drawn / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            folder = root / row["split"] / row["label"]
            folder.mkdir(parents=True, exist_ok=True)
            (drawn / row["path"]).rename(folder / f"{row['subject']}_{Path(row['path']).name}")
    shutil.rmtree(drawn)


def _clone_project(lab: Lab) -> None:
    """A repository with the project's sources and the guide's params.yaml, settings made small."""
    lab.type("admin", "mkdir fer")
    work = lab.home("admin") / "fer"
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, work / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, work / name)
    shutil.copytree(ROOT / "data/codebooks", work / "data/codebooks")
    (work / "benchmarks/results").mkdir(parents=True)
    shutil.copy(ROOT / "benchmarks/results/README.md", work / "benchmarks/results")
    (work / "models/none").mkdir(parents=True)
    (work / "models/none/.gitkeep").touch()
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= yaml.safe_load(SETTINGS.text.replace("/lab/", f"{lab.disk}/"))
    del params["render"]
    params["align"]["size"] = 96
    params["train"] |= {"epochs": 1, "batch_size": 8, "image_size": 48}
    params["train"]["schedule"]["warmup_epochs"] = 0.5  # of one epoch, so that the schedule begins, too
    params["evaluate"] |= {"cams": ["native"], "faithfulness_images": 0, "moved": False, "attention_layers": ["last"]}
    (work / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for command in (
        "git init -q -b main",
        "dvc init -q",
        "dvc config core.analytics false",
        "git add .",
        "git commit -qm Project",
    ):
        output, code = lab.type("admin", f"(cd fer && {command})")
        assert code == 0, output

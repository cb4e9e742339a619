"""Rendered faces where params.yaml has no section ``render``: the stage ``stamp`` renders them, with the defaults."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_au.checks import params
from fer_au.checks.outputs import find_undeclared_renders
from fer_au.config import reading
from fer_au.config.data import DemoConfig
from fer_au.demo import generate as demo
from fer_au.yaml_files import read_yaml
from stages import stamp
from tests.checks.conftest import GOOD, Check, changed

BARE = {"datasets.mine.adapter": "demo", "datasets.mine.root": "data/mine/raw", "datasets.mine.test_fraction": None}


@pytest.fixture
def undeclared(project: Path) -> Callable[[dict[str, Any]], list[str]]:
    def find(changes: dict[str, Any]) -> list[str]:
        return find_undeclared_renders(changed(GOOD, changes))

    return find


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (BARE, ["mine"]),
        ({**BARE, "datasets.mine.root": "./data/mine/raw/"}, ["mine"]),
        ({**BARE, "datasets.other": {"adapter": "demo", "root": "data/other/raw"}}, ["mine", "other"]),
        ({**BARE, "datasets.mine.root": "elsewhere"}, []),
        ({**BARE, "datasets.mine.adapter": "folder"}, []),
        ({**BARE, "render": {"mine": {"identities": 2}}}, []),
        ({}, []),
    ],
)
def test_sets_of_rendered_faces_that_no_section_names(
    undeclared: Callable[[dict[str, Any]], list[str]], changes: dict[str, Any], found: list[str]
) -> None:
    assert undeclared(changes) == found


def test_faces_that_are_there_or_were_ingested_are_not_needed(
    undeclared: Callable[[dict[str, Any]], list[str]], project: Path
) -> None:
    recorded = {"settings.ingest.mine": {"adapter": "demo", "root": "data/mine/raw"}}
    entry = {"cmd": "python stages/ingest.py mine", "params": {"stages/stamp.json": recorded}}
    (project / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"ingest@mine": entry}}))
    assert undeclared(BARE) == []
    assert undeclared({**BARE, "datasets.mine.valid_fraction": 0.3}) == ["mine"]
    folder = project / "data/mine/raw"
    folder.mkdir(parents=True)
    assert undeclared({**BARE, "datasets.mine.valid_fraction": 0.3}) == ["mine"]  # a rendering that was stopped
    (folder / "labels.csv").touch()
    assert undeclared({**BARE, "datasets.mine.valid_fraction": 0.3}) == []


def test_the_stamp_renders_them_and_says_so(
    check: Check, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(BARE) == []
    rendered = []
    monkeypatch.setattr(demo, "generate", lambda *arguments: rendered.append(arguments))
    shutil.copytree(Path(stamp.__file__).parent, project / "stages")
    shutil.copy(Path(stamp.__file__).parents[1] / "dvc.yaml", project)
    parsed: list[Path] = []

    def read(path: Path) -> dict[str, Any]:
        parsed.append(path)
        return read_yaml(path)

    monkeypatch.setattr(params, "read_yaml", read)
    monkeypatch.setattr(reading, "read_yaml", read)
    stamp.main()
    assert parsed == [Path("params.yaml")]
    assert rendered == [(DemoConfig(), Path("data/mine/raw"))]
    said = (
        "data/mine/raw is missing, and params.yaml has no section `render`: rendered with its defaults, outside of DVC"
    )
    assert said in capsys.readouterr().err

"""Rendered faces that a second data set reads: the stage ``stamp`` renders them, where DVC would do so too late."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_au.checks.outputs import find_shared_renders

STAMPED = {"render": {"demo": "today"}}
ENTRY = {"adapter": "demo", "root": "data/demo/raw"}


def params(**second: Any) -> dict[str, Any]:
    return {"render": {"demo": {"seed": 1}}, "datasets": {"demo": ENTRY, "second": {**ENTRY, **second}}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which DVC has rendered the faces, and both sets have read them."""
    monkeypatch.chdir(tmp_path)
    lock(tmp_path, render="today")
    (tmp_path / "data/demo/raw").mkdir(parents=True)
    (tmp_path / "data/demo/raw/labels.csv").touch()
    return tmp_path


def lock(folder: Path, render: str, seed: int = 1) -> None:
    made = {"params.yaml": {"render.demo": {"seed": seed}}, "stages/stamp.json": {"render.demo": render}}
    stages = {
        "render@demo": {"cmd": "x", "params": made},
        "ingest@second": {"cmd": "x", "params": {"stages/stamp.json": {"settings.ingest.second": ENTRY}}},
    }
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def test_faces_that_are_up_to_date_are_left_to_dvc(folder: Path) -> None:
    assert find_shared_renders(params(), STAMPED) == {}


@pytest.mark.parametrize("made", [{"render": "yesterday"}, {"render": "today", "seed": 2}], ids=["code", "settings"])
def test_faces_that_dvc_will_make_anew_are_made_before_the_second_set_reads_them(
    folder: Path, made: dict[str, Any]
) -> None:
    lock(folder, **made)
    assert find_shared_renders(params(), STAMPED) == {"demo": "second"}


def test_missing_faces_are_made_for_a_set_that_has_not_read_them(folder: Path) -> None:
    (folder / "data/demo/raw/labels.csv").unlink()
    assert find_shared_renders(params(), STAMPED) == {}
    assert find_shared_renders(params(seed=3), STAMPED) == {"demo": "second"}


@pytest.mark.parametrize(
    ("root", "shared"),
    [
        ("./data/demo/raw/", True),
        ("data/../data/demo/raw", True),
        ("{folder}/data/demo/raw", True),
        ("data/demo", False),
        ("data/demo/raw/images", False),
        ("elsewhere", False),
    ],
)
def test_a_root_is_compared_as_a_place(folder: Path, root: str, shared: bool) -> None:
    (folder / "dvc.lock").unlink()
    found = find_shared_renders(params(root=root.format(folder=folder)), STAMPED)
    assert found == ({"demo": "second"} if shared else {})


def test_a_set_alone_with_its_faces_is_left_to_dvc(folder: Path) -> None:
    (folder / "dvc.lock").unlink()
    assert find_shared_renders({**params(), "datasets": {"demo": ENTRY}}, STAMPED) == {}
    assert find_shared_renders({**params(), "render": {}}, {"render": {}}) == {}

"""Data sets whose pictures are not here, or can't be read: DVC's record of them stands, a line says the way on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from fer_au.checks.roots import look_at_roots

ENTRY = {"adapter": "folder", "root": "pictures"}
RECORDED = "12" * 16


@pytest.fixture
def ingested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    params = {"stages/stamp.json": {"settings.ingest.wild": ENTRY, "pictures.wild": RECORDED}}
    stages = {"ingest@wild": {"cmd": "x", "params": params}}
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    return tmp_path / "pictures"


def look(**changes: object) -> tuple[str, list[str]]:
    roots = look_at_roots({"datasets": {"wild": {**ENTRY, **changes}}})
    return roots.digests["wild"], roots.lines


def test_pictures_that_are_here_are_no_news(ingested: Path) -> None:
    ingested.mkdir()
    (ingested / "a.jpg").touch()
    digest, lines = look()
    assert lines == []
    assert digest != RECORDED


@pytest.mark.parametrize(("place", "words"), [("missing", "is missing"), ("empty", "is empty")])
def test_missing_pictures_name_key_and_way(ingested: Path, place: str, words: str) -> None:
    """A disk that isn't mounted leaves an empty folder."""
    if place == "empty":
        ingested.mkdir()
    digest, (line,) = look()
    assert digest == RECORDED
    assert f"datasets.wild.root: pictures {words}" in line
    assert "dvc repro --pull --allow-missing" in line
    assert "dvc checkout --allow-missing" in line


def test_pictures_that_cannot_be_read_are_taken_as_recorded(ingested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingested.mkdir()
    (ingested / "a.jpg").touch()

    def refuse(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    monkeypatch.setattr(os, "scandir", refuse)
    digest, (line,) = look()
    assert digest == RECORDED
    assert "datasets.wild.root: pictures can't be read" in line


def test_what_was_ingested_otherwise_is_not_taken_for_the_same(ingested: Path) -> None:
    digest, (line,) = look(seed=1)
    assert digest != RECORDED
    assert "ingest@wild can't run here" in line


def test_a_root_above_the_projects_own_files_is_refused(ingested: Path) -> None:
    from fer_au.errors import ConfigError

    ingested.mkdir()
    with pytest.raises(ConfigError, match=r"datasets\.wild\.root: \. holds data/wild, where the stages write"):
        look(root=".")

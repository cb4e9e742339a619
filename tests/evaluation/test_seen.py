"""A cross on copies of the training pictures says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fer_au.datasets import ManifestRow, write_manifest
from fer_au.evaluation.seen import Seen, find_seen, log_seen
from fer_au.fingerprints import file_digest


def row(id_: str, sha256: str, split: str, fold: str | None = None) -> ManifestRow:
    return ManifestRow(id_, id_, sha256, split, fold, "fear", None, 9, 9, None)  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A set that was trained on, and another one that shares files with its train, valid and test part."""
    home = [
        row("a", "1", "train", "x"),
        row("b", "2", "valid", "y"),
        row("c", "3", "test", "y"),
        row("d", "4", "train"),
    ]
    away = [row("p", "1", "test"), row("q", "2", "test"), row("r", "3", "test"), row("s", "9", "test")]
    for name, rows in (("home", home), ("away", away)):
        (tmp_path / name).mkdir()
        write_manifest(tmp_path / name / "manifest.csv", rows)
    return tmp_path


def seen(data: Path, recorded: str | None = None, **experiment: Any) -> Seen:
    digest = recorded or file_digest(data / "home/manifest.csv")
    ids = ["p", "q", "r", "s"]
    return find_seen(ids, data / "away", {"dataset": "home", **experiment}, {"manifest.csv": digest})


def test_files_of_train_and_valid_are_counted(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = seen(data)
    assert found == Seen(2, 4, "home", "p = a")
    log_seen("cross x", found)
    assert capsys.readouterr().err == (
        "cross x: 2 of 4 faces show a picture that training on home has seen (same bytes), such as p = a: "
        "scores on them are no test\n"
    )


def test_a_fold_that_was_held_out_was_not_trained_on(data: Path) -> None:
    assert seen(data, fold="x").number == 2  # the others of the set, its own test part among them
    assert seen(data, fold="y").number == 1
    assert seen(data, fold="y").example == "p = a"


def test_nothing_is_said_where_nothing_was_seen(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_manifest(data / "away/manifest.csv", [row("p", "7", "test")])
    log_seen("cross x", seen(data))
    assert capsys.readouterr().err == ""


def test_another_manifest_and_none_can_tell_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert seen(data, recorded="other").number is None
    (data / "home/manifest.csv").unlink()
    found = seen(data, recorded="any")
    assert found.number is None
    log_seen("cross x", found)
    assert "can't be told: " in capsys.readouterr().err

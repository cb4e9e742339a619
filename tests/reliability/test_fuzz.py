"""Mutated files of every kind are taken, or refused in one line: a sample of what tools/fuzz_files.py tries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fer_au.checks.memory import Memory
from fer_au.fingerprints import file_digest
from fer_au.shards.finished import FinishedWork
from fer_au.training.checkpoint import Checkpoint, TrainingState
from tools.fuzz_files import Kind, limited, make_kinds, try_kind

SAMPLE, ALL = 40, 5000
NAMES = [
    *("store.h5", "verified.h5", "evaluation.h5", "shard.h5", "config.json", "model.safetensors", "params.yaml"),
    *("codebook.yaml", "manifest.csv", "labels.csv", "points.npz"),
    *("picture.jpeg", "picture.png", "picture.webp", "picture.bmp"),
    *("finished.json", "finished.csv", "checkpoint.safetensors", "details.json", "metrics.json", "history.csv"),
    *("rejects.csv", "dvc.lock"),
]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    return {kind.name: kind for kind in make_kinds(tmp_path_factory.mktemp("good"))}


@pytest.mark.parametrize("name", NAMES)
def test_a_mutation_is_taken_or_refused_in_one_line(name: str, kinds: dict[str, Kind], tmp_path: Path) -> None:
    assert list(kinds) == NAMES
    kinds[name].read(_written(tmp_path / name, kinds[name].good))
    counts, wrong = try_kind(kinds[name], SAMPLE, tmp_path)
    assert wrong == []
    assert counts["refused"] > 0
    assert counts.total() == SAMPLE


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["finished.json", "finished.csv", "checkpoint", "checked.json", "digest"])
def test_a_pipe_in_place_of_what_stages_keep_holds_nobody(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "history.csv").write_text("epoch\n0\n")
    os.mkfifo(tmp_path / "pipe")
    with limited(20):
        if name.startswith("finished"):
            work = FinishedWork("training", {"seed": 0}, tmp_path / "cache")
            work.keep({"finished.csv": tmp_path / "history.csv"})
            (tmp_path / "pipe").replace(work.folder / name)
            assert not work.take({"finished.csv": tmp_path / "taken.csv"})
        elif name == "checkpoint":
            checkpoint = Checkpoint({"seed": 0})
            checkpoint.folder.mkdir(parents=True)
            (tmp_path / "pipe").replace(checkpoint.path)
            assert checkpoint.load(TrainingState(), []) is None
        elif name == "checked.json":
            assert Memory(tmp_path / "pipe").recall("anything") is None
        else:
            with pytest.raises(OSError, match="no regular file"):
                file_digest(tmp_path / "pipe")

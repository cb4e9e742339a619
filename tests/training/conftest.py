from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch

from benchmarks.shared.blobs import CENTRES, Blob, many, write_dataset
from fer_au.shards.finished import FinishedWork
from tests.training.forks import Forks, forking


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Processes for functions of ``tests.training.together``, which have imported all that a training needs."""
    with forking() as started:
        yield started


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks and checkpoints go below the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FER_AU_CACHE", raising=False)
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    torch.set_num_threads(1)
    return tmp_path


@pytest.fixture(autouse=True)
def repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings are repeated and not fetched: a test that compares two would otherwise compare one with its copy."""
    monkeypatch.setattr(FinishedWork, "take", lambda *_: False)


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[[Sequence[Blob]], Path]:
    def make(blobs: Sequence[Blob], seed: int = 0) -> Path:
        return write_dataset(tmp_path / "data", blobs, seed)

    return make


@pytest.fixture
def dataset_dir(make_dataset: Callable[[Sequence[Blob]], Path]) -> Path:
    """Four classes: 40 training, 8 validation, 4 test faces."""
    blobs = [
        blob for label in CENTRES for blob in [*many(label, 10), *many(label, 2, "valid"), *many(label, 1, "test")]
    ]
    return make_dataset(blobs)

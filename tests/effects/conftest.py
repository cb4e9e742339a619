from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch

from benchmarks.shared.blobs import Blob, write_dataset
from fer_au.shards.finished import FinishedWork
from fer_au.stores.columns import encode_ids
from fer_au.stores.writer import write_store


@pytest.fixture(scope="module", autouse=True)
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to work in, for all tests of a file; nothing that was computed before is taken."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FER_AU_CACHE", str(folder / "cache"))
        patch.setenv("FER_AU_WORKERS", "1")
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setattr(FinishedWork, "take", lambda *_: False)
        torch.set_num_threads(1)
        yield folder


@pytest.fixture(scope="module")
def blobs(workspace: Path) -> None:
    """Made-up faces of unequal classes, with folds and persons; and a file of weights."""
    drawn = [
        Blob(label, split, fold="12"[i % 2], subject=f"p{i % 3}")
        for label, counts in {"happiness": (5, 2, 2), "anger": (3, 2, 1), "neutral": (2, 1, 1)}.items()
        for split, count in zip(("train", "valid", "test"), counts, strict=True)
        for i in range(count)
    ]
    write_dataset(workspace / "data/blobs", drawn)  # type: ignore[arg-type]
    columns = {"id": encode_ids([f"{i:04d}.png" for i in range(len(drawn))])}
    write_store(workspace / "data/blobs/annotations.h5", "annotations", columns, fingerprint="a" * 64)
    torch.manual_seed(5)
    safetensors.torch.save_file(timm.create_model("test_resnet").state_dict(), workspace / "weights.safetensors")

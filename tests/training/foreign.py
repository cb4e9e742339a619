"""A project with made-up faces, and beside it the module of somebody's networks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.shared.blobs import Blob, write_dataset
from fer_au.stores.columns import encode_ids
from fer_au.stores.writer import write_store

DATA = Path("data/blobs")


@contextmanager
def foreign_project(
    folder: Path, module: str, source: str, labels: Sequence[str], more: Sequence[Blob] = ()
) -> Iterator[Path]:
    """Work in a project with five faces of each label, and ``more``; ``module`` can be imported until the end."""
    before = list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FER_AU_CACHE", str(folder / "cache"))
        patch.setenv("ACCELERATE_USE_CPU", "true")
        blobs = [Blob(label, split) for label in labels for split in ("train", "train", "train", "valid", "test")]
        blobs += more
        write_dataset(DATA, blobs)  # type: ignore[arg-type]
        ids = {"id": encode_ids([f"{i:04d}.png" for i in range(len(blobs))])}
        write_store(DATA / "annotations.h5", "annotations", ids, fingerprint="a" * 64)
        (folder / f"{module}.py").write_text(source)
        yield folder
    sys.path[:] = before
    sys.modules.pop(module, None)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fer_au.shards.finished import FinishedWork


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

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.landmarks.faces import FaceSet, rendered_faces


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaceSet]:
    """Six rendered faces of two people."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_AU_WORKERS", "1")
        patch.setenv("FER_AU_CACHE", str(tmp_path_factory.mktemp("cache")))
        with rendered_faces(people=2, pictures=3, seed=5) as faces:
            yield faces


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

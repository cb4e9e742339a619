"""A project with a finished tiny run, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.scratch import build


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project; tests copy it. The cache of faces and finished work is one for the session."""
    folder = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_AU_CACHE", str(folder / "cache"))
        build(folder / "project")
    return folder / "project"

from __future__ import annotations

from pathlib import Path

import pytest

from tests.results.writer import ResultsWriter


@pytest.fixture
def writer(tmp_path: Path) -> ResultsWriter:
    """A writer for an empty project folder."""
    return ResultsWriter(tmp_path)

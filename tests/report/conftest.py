from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .project import DEFAULT, Writer


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """A writer for an empty project folder."""
    return Writer(tmp_path)


@pytest.fixture
def make_params(writer: Writer) -> Callable[..., Path]:
    """Writes the default project, with other entries of ``experiments`` if any are given; returns its params.yaml."""

    def make(**experiments: dict[str, Any]) -> Path:
        writer.dataset("faces")
        writer.experiment("vanilla", good=False)
        writer.experiment("au", good=True, seed=1)
        return writer.params(experiments or DEFAULT)

    return make

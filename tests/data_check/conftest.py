from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes pictures that differ, as paths below a folder ``set``; texts for other files."""

    def files(*paths: str, **texts: str) -> Path:
        root = tmp_path / "set"
        root.mkdir(exist_ok=True)
        for number, path in enumerate(paths):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            picture = np.random.default_rng(number).integers(0, 255, (24, 32, 3), np.uint8)
            cv2.imwrite(str(root / path), picture)
        for name, text in texts.items():
            (root / name.replace("__", ".")).write_text(text)
        return root

    return files

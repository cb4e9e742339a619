"""Pictures that differ: noise, seeded by their path."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image


def write_noise(path: Path, *, grey: bool = False, size: tuple[int, int] = (24, 32), seed: str | None = None) -> Path:
    """Write a small picture, whose format is that of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256((seed or path.as_posix()).encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    pixels = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(size)
    (pixels.convert("L") if grey else pixels).save(path)
    return path

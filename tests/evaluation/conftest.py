from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_au.landmarks.mean_face import MEAN_FACE

SIZE = 112


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def face() -> NDArray[np.float64]:
    """The mean face's 68 points in the middle of a 112 px crop, (1, 68, 2)."""
    return (MEAN_FACE * 46 + [SIZE / 2, 42])[None]

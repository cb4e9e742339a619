"""Cached operations give what they gave: else their VERSION must be raised, and rows of old code are not taken."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from fer_au.faces.detectors import DETECTORS
from fer_au.landmarks.extractors import EXTRACTORS
from tests.shards.golden_rows import ALIGNED, EXTRACTED, GOLDEN, compute, to_json

# Other processors and releases of libraries round otherwise: less than this is no change of the code.
TOLERANCE = {"matrix": 0.02, "box": 0.5, "points": 0.25, "pixels": 2.0, "status": 0.0}
# The last digits of a network's box differ from processor to processor, and with them single pixels that dlib's trees
# compare: a face for which one takes another branch moves by a pixel or two. Changed code moves every face.
BRANCHING = ("align mediapipe-face", "align yunet")


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return compute()


def test_every_part_that_reads_pixels_is_covered() -> None:
    assert set(ALIGNED) == set(DETECTORS.built_in)
    assert set(EXTRACTED) == set(EXTRACTORS.built_in) - {"provided", "truth"}  # these copy the data set's points


def test_the_file_has_a_line_for_each_operation(golden: dict[str, Any]) -> None:
    text = GOLDEN.read_text(encoding="utf-8")
    assert text == to_json(golden)
    assert len(text.splitlines()) == len(ALIGNED) + len(EXTRACTED) + 2


def test_the_versions_are_those_of_the_golden_rows(golden: dict[str, Any], now: dict[str, Any]) -> None:
    """After a VERSION was raised: ``python tests/shards/golden_rows.py``."""
    assert golden["versions"] == now["versions"]


def test_the_renderer_gives_the_pictures_that_they_were_made_of(golden: dict[str, Any], now: dict[str, Any]) -> None:
    assert np.abs(np.subtract(golden["inputs"], now["inputs"])).max() <= 1


@pytest.mark.parametrize(
    "operation", [f"align {name}" for name in ALIGNED] + [f"landmarks {name}" for name in EXTRACTED]
)
def test_rows_are_as_they_were(golden: dict[str, Any], now: dict[str, Any], operation: str) -> None:
    left_out = 1 if operation in BRANCHING else 0
    for column, values in golden["rows"][operation].items():
        difference = np.abs(np.subtract(values, now["rows"][operation][column], dtype=np.float64))
        by_face = np.sort(difference.reshape(len(difference), -1).max(axis=1))
        largest = by_face[-1 - left_out] if column in ("matrix", "pixels") else by_face[-1]
        assert largest <= TOLERANCE[column], f"{column} changed: raise the operation's VERSION"

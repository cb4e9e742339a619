"""Which adapter a folder looks like, and that a look at names is enough to say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.datasets.recognition import fitting_adapters, fitting_text


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["happy/1.jpg", "sad/1.jpg"], ["folder"]),
        (["train/happy/1.jpg", "test/happy/1.jpg"], ["folder"]),
        (["train/1_fear.jpg", "train_FER_labels.csv"], ["sep"]),
        (["FER2013/train/1_fear.jpg", "FER2013/train_FER_labels.csv"], ["sep"]),
        (["1.jpg"], []),
    ],
)
def test_a_layout_is_recognised(
    tmp_path: Path, add: Callable[..., Path], files: list[str], expected: list[str]
) -> None:
    for name in files:
        add(tmp_path / name, b"no picture is opened")
    assert fitting_adapters(tmp_path) == expected
    assert fitting_text(tmp_path, "csv") == (f"; it looks like adapter {expected[0]}" if expected else "")
    assert not expected or fitting_text(tmp_path, expected[0]) == ""


def test_a_missing_folder_looks_like_none(tmp_path: Path) -> None:
    assert fitting_adapters(tmp_path / "absent") == []

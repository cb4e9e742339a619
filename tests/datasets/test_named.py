"""Adapters ``jaffe`` and ``tfeid``: all is in the names."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from fer_au.datasets.recognition import fitting_adapters
from fer_au.errors import DataError
from tests.datasets.miniatures import jaffe, tfeid
from tests.datasets.miniatures.noise import write_noise
from tests.datasets.official import check_outline, reasons, scan, survey


def test_jaffe(tmp_path: Path) -> None:
    jaffe.write(tmp_path / "jaffe")
    (tmp_path / "README_FIRST.txt").write_text("read me")
    found = scan("jaffe", tmp_path)
    labels = {one.path: (one.label, one.subject) for one in found.records}
    assert labels["jaffe/KA.AN1.5.tiff"] == ("anger", "KA")
    assert {label for label, _ in labels.values()} == {
        "neutral", "happiness", "sadness", "surprise", "anger", "disgust", "fear"
    }  # fmt: skip
    folds = defaultdict(set)
    for one in found.records:
        folds[one.fold].add(one.subject)
    assert sorted(map(len, folds.values())) == [1] * 10
    assert found.notes[0] == "JAFFE has 213 pictures of 10 persons; here are 70 of 10"
    check_outline("jaffe", tmp_path)
    assert len(survey("jaffe", tmp_path).rows) == 70  # grey TIFF files are read


def test_faults_of_jaffe(tmp_path: Path) -> None:
    jaffe.write(tmp_path)
    write_noise(tmp_path / "KA.AN1.5.png")  # converted, beside the original
    write_noise(tmp_path / "KA.XX1.99.tiff")
    write_noise(tmp_path / "mean.tiff")
    assert reasons(scan("jaffe", tmp_path)) == {
        "KA.AN1.5.tiff": "duplicate_id",
        "KA.XX1.99.tiff": "unknown_label",
        "mean.tiff": "unlabelled",
    }


def test_tfeid(tmp_path: Path) -> None:
    tfeid.write(tmp_path)
    found = scan("tfeid", tmp_path)
    labels = {one.path: (one.label, one.subject) for one in found.records}
    assert labels["0111a01.jpg"] == ("neutral", "01")
    assert {path[4]: label for path, (label, _) in labels.items()} == {
        "a": "neutral", "b": "happiness", "c": "sadness", "d": "anger", "e": "disgust", "f": "fear", "g": "surprise"
    }  # fmt: skip
    assert len(scan("tfeid", tmp_path, views=["front"]).records) == 70
    assert len(scan("tfeid", tmp_path, views=["profile"]).records) == 10
    check_outline("tfeid", tmp_path, views=["front", "three-quarters"])
    write_noise(tmp_path / "0111z01.jpg")
    assert reasons(scan("tfeid", tmp_path)) == {"0111z01.jpg": "unknown_label"}


def test_each_is_told_from_the_other(tmp_path: Path) -> None:
    jaffe.write(tmp_path / "j")
    tfeid.write(tmp_path / "t")
    assert fitting_adapters(tmp_path / "j") == ["jaffe"]
    assert fitting_adapters(tmp_path / "t") == ["tfeid"]
    with pytest.raises(DataError, match=r"such as 0111a01\.jpg; pictures found: .*; it looks like adapter jaffe$"):
        scan("tfeid", tmp_path / "j")

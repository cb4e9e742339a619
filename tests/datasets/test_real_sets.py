"""Two real sets, where a lab keeps them: ``FER_AU_REAL_DATA`` names the folder above both."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from fer_au.datasets import create_adapter, ingest_dataset, read_manifest
from fer_au.rejects import read_rejects

REAL = os.environ.get("FER_AU_REAL_DATA")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not REAL, reason="FER_AU_REAL_DATA is not set")]


def ingest(tmp_path: Path, **keys: object) -> Path:
    config = create_adapter(str(keys["adapter"])).Config.model_validate(keys)
    ingest_dataset("real", config, tmp_path / "out")
    return tmp_path / "out"


def test_photographs_in_the_wild_with_a_label_file(tmp_path: Path) -> None:
    out = ingest(
        tmp_path,
        adapter="csv",
        root=Path(REAL or "") / "faces_in_the_wild",
        labels="legend.csv",
        images="images",
        columns={"image": "image", "label": "emotion"},
        subject_pattern=r"^(.+?)_?\d*$",
        test_fraction=0.2,
    )
    rows = read_manifest(out / "manifest.csv")
    rejects = read_rejects(out / "rejects/ingest.csv")
    assert len(rows) == 1784
    assert Counter(reject.reason.value for reject in rejects) == {"unlabelled": 12, "conflicting_labels": 1}
    shares = Counter(row.split for row in rows)
    assert 0.18 <= shares["test"] / len(rows) <= 0.22
    assert 0.08 <= shares["valid"] / (len(rows) - shares["test"]) <= 0.12
    people = defaultdict(set)
    for row in rows:
        people[row.subject].add(row.split)
    assert all(len(splits) == 1 for splits in people.values())


def test_the_six_class_layout(tmp_path: Path) -> None:
    out = ingest(tmp_path, adapter="sep", root=Path(REAL or "") / "fer2013_sample")
    rows = read_manifest(out / "manifest.csv")
    assert Counter(row.split for row in rows) == {"train": 5437, "valid": 603, "test": 1537}
    assert {(row.width, row.height) for row in rows} == {(64, 64)}
    assert read_rejects(out / "rejects/ingest.csv") == []
    tests = {row.path for row in rows if row.split == "test"}
    assert tests == {row.path for row in rows if row.path.startswith("FER2013/test/")}
    copies = defaultdict(set)
    for row in rows:
        if row.split != "test":
            copies[row.sha256].add(row.split)
    assert all(len(splits) == 1 for splits in copies.values())

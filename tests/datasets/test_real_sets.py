"""Two real sets, where a lab keeps them: ``FER_AU_REAL_DATA`` names the folder above both."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from fer_au.datasets import create_adapter, ingest_dataset, read_manifest
from fer_au.datasets.leaks import read_leaks
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
    given = defaultdict(set)
    for row in rows:
        given[row.sha256].add("test" if row.split == "test" else "train")
    both = {sha256 for sha256, parts in given.items() if len(parts) > 1}
    assert len(both) == 80
    assert sum(row.split == "test" and row.sha256 in both for row in rows) == 83
    leaks = read_leaks(out / "rejects/leaks.csv")
    of_bytes = {row.id: row.sha256 for row in rows}
    between = {row.group for row in leaks if row.problem.startswith("between")}
    told = [row for row in leaks if row.group in between]
    assert both <= {of_bytes[row.id] for row in told}
    # The same bytes; one photograph by other bytes; and a mirrored one.
    assert sum(row.split == "test" for row in told) == 83 + 88 + 1
    assert {row.kind for row in told if row.split == "test"} >= {"mirrored"}
    labels = defaultdict(set)
    for row in leaks:
        labels[of_bytes[row.id]].add(row.label)
    assert sum(len(found) > 1 for found in labels.values()) == 8
    copies = defaultdict(set)
    for row in rows:
        if row.split != "test":
            copies[row.sha256].add(row.split)
    assert all(len(splits) == 1 for splits in copies.values())

"""What adapters tell before they scan is what ingest then makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fer_au.config.data import DemoConfig
from fer_au.config.reading import validate
from fer_au.datasets import create_adapter, ingest_dataset, read_manifest
from fer_au.datasets.splits import planned_splits
from fer_au.demo.generate import generate

Add = Callable[..., Path]


def class_folders(root: Path, add: Add, *parts: str) -> dict[str, Any]:
    for part in parts or ("",):
        for label in ("happy", "sad"):
            for number in range(10):
                add(root / part / label / f"s{number}_{part}{label}.png")
    return {"adapter": "folder"}


def label_file(root: Path, add: Add, header: str, *ends: str) -> dict[str, Any]:
    rows = [f"{number}.png,{('happy', 'sad')[number % 2]}{ends[number % len(ends)]}" for number in range(20)]
    for number in range(20):
        add(root / f"{number}.png")
    (root / "labels.csv").write_text("\n".join([f"image,label{header}", *rows]) + "\n")
    return {"adapter": "csv", "labels": "labels.csv"}


def gimefive(root: Path, add: Add, *parts: str) -> dict[str, Any]:
    for part in parts:
        names = [f"{part}{number}_happiness.png" for number in range(6)]
        for name in names:
            add(root / part / name)
        (root / f"{part}_FER_labels.csv").write_text("".join(f"{name},0\n" for name in names))
    return {"adapter": "sep"}


def rendered(root: Path, test_fraction: float) -> dict[str, Any]:
    generate(DemoConfig(identities=4, images=7, size=96, test_fraction=test_fraction), root)
    return {"adapter": "demo", "valid_fraction": 0.5}


CASES: dict[str, Callable[[Path, Add], dict[str, Any]]] = {
    "class folders": lambda root, add: class_folders(root, add),
    "class folders, fractions": lambda root, add: class_folders(root, add) | {"test_fraction": 0.2},
    "class folders, no valid": lambda root, add: class_folders(root, add) | {"valid_fraction": 0.0},
    "train and test": lambda root, add: class_folders(root, add, "train", "test"),
    "Training, val and Testing": lambda root, add: class_folders(root, add, "Training", "val", "Testing"),
    "train alone": lambda root, add: class_folders(root, add, "train"),
    "test alone": lambda root, add: class_folders(root, add, "test") | {"test_fraction": 0.2},
    "persons": lambda root, add: class_folders(root, add) | {"subject_pattern": "^(s[0-9]+)_"},
    "label file": lambda root, add: label_file(root, add, "", ""),
    "split column": lambda root, add: label_file(root, add, ",split", ",train", ",test") | {
        "columns": {"split": "split"}
    },
    "split column, empty and val": lambda root, add: label_file(root, add, ",split", ",", ",val") | {
        "columns": {"split": "split"}, "test_fraction": 0.2
    },
    "fold and subject columns": lambda root, add: label_file(root, add, ",fold,who", ",a,1", ",b,2", ",c,3") | {
        "columns": {"fold": "fold", "subject": "who"}
    },
    "sep": lambda root, add: gimefive(root, add, "train", "test"),
    "sep, train alone": lambda root, add: gimefive(root, add, "train"),
    "demo": lambda root, add: rendered(root, 0.5),
    "demo without a test": lambda root, add: rendered(root, 0.0),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_outline_is_what_ingest_makes(case: str, tmp_path: Path, add: Add) -> None:
    root = tmp_path / "raw"
    entry = CASES[case](root, add) | {"root": str(root)}
    adapter = create_adapter(entry["adapter"])
    config = validate(adapter.Config, entry, "", "test")
    outline = adapter.outline(config)
    assert outline is not None
    ingest_dataset("raw", config, tmp_path / "out")
    rows = read_manifest(tmp_path / "out" / "manifest.csv")
    fractions = {"valid_fraction": config.valid_fraction, "test_fraction": config.test_fraction}
    assert planned_splits(outline.splits, **fractions) == {row.split for row in rows}
    assert outline.subjects == any(row.subject for row in rows)
    assert outline.folds == any(row.fold for row in rows)


def test_a_folder_of_a_split_without_pictures_is_no_split(tmp_path: Path, add: Add) -> None:
    class_folders(tmp_path, add, "train")
    (tmp_path / "test/happy").mkdir(parents=True)
    (tmp_path / "test/happy/readme.txt").touch()
    config = validate(create_adapter("folder").Config, {"adapter": "folder", "root": str(tmp_path)}, "", "test")
    outline = create_adapter("folder").outline(config)
    assert outline is not None
    assert outline.splits == {"train"}

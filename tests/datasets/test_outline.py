"""What adapters tell before they scan is what ingest then makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fer_au.config.data import DemoConfig
from fer_au.config.reading import validate
from fer_au.datasets import create_adapter, ingest_dataset, read_manifest
from fer_au.datasets.splits import planned_splits
from fer_au.datasets.tally import Tally
from fer_au.demo.generate import generate
from fer_au.rejects import Reason, read_rejects

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
    "test alone": lambda root, add: class_folders(root, add, "test"),
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
    assert outline.tally is not None
    assert not outline.tally.unknown
    listed = sum((Counter({place[1:]: number}) for place, number in outline.tally.faces.items()), Counter())
    assert listed == Counter((row.fold, row.label) for row in rows)
    planned, found = outline.tally.classes(**fractions), Tally.of(rows).classes()
    assert all(found[split] <= planned[split] for split in found)
    assert {split for split in found if found[split]} == {split for split in planned if planned[split]}


def test_a_folder_of_a_split_without_pictures_is_no_split(tmp_path: Path, add: Add) -> None:
    class_folders(tmp_path, add, "train")
    (tmp_path / "test/happy").mkdir(parents=True)
    (tmp_path / "test/happy/readme.txt").touch()
    config = validate(create_adapter("folder").Config, {"adapter": "folder", "root": str(tmp_path)}, "", "test")
    outline = create_adapter("folder").outline(config)
    assert outline is not None
    assert outline.splits == {"train"}


@pytest.mark.parametrize("kind", ["folder", "csv", "sep", "demo"])
def test_labels_are_counted_as_ingest_rejects_them(kind: str, tmp_path: Path, add: Add) -> None:
    """Unknown ones by name; those left out by label_map, repeated rows and lost pictures are none of them."""
    root = tmp_path / "raw"
    entry: dict[str, Any] = {"adapter": kind, "valid_fraction": 0.0, "max_reject_fraction": 0.99}
    entry |= {} if kind in ("demo", "sep") else {"label_map": {"odd": None}}
    if kind == "folder":
        for number, label in enumerate(["happy", "sad", "sad", "Wut", "Wut", "odd"]):
            add(root / "train" / label / f"deep/{number}.png")
    elif kind == "csv":
        labels = ["happy", "sad", "sad", "Wut", "Wut", "odd", ""]
        rows = [f"{number}.png,{label}\n" for number, label in enumerate(labels)]
        for number in range(7):
            add(root / f"{number}.png")
        (root / "labels.csv").write_text("".join(["image,label\n", *rows, rows[3], rows[0], ",happy\n"]))
        entry["labels"] = "labels.csv"
    elif kind == "sep":
        codes = {"0_happiness.png": 0, "1_sadness.png": 2, "2_sadness.png": 2, "3_.png": "Wut", "4_.png": "Wut"}
        for name in codes:
            add(root / "train" / name)
        text = "".join(f"{name},{code}\n" for name, code in codes.items())
        (root / "train_FER_labels.csv").write_text(text + "3_.png,Wut\n")
    else:
        generate(DemoConfig(identities=4, images=7, size=96, test_fraction=0.0), root)
        header, *lines = (root / "labels.csv").read_text().splitlines()
        labels = ("happiness", "sadness", "Wut")
        rows = [f"{line.split(',')[0]},{labels[n % 3]},a,train\n" for n, line in enumerate(lines)]
        (root / "labels.csv").write_text("".join([f"{header}\n", *rows]))
    adapter = create_adapter(kind)
    config = validate(adapter.Config, {**entry, "root": str(root)}, "", "test")
    outline = adapter.outline(config)
    assert outline is not None
    assert outline.tally is not None
    ingest_dataset("raw", config, tmp_path / "out")
    rejects = read_rejects(tmp_path / "out/rejects/ingest.csv")
    unknown = [reject for reject in rejects if reject.reason is Reason.UNKNOWN_LABEL]
    assert unknown
    assert set(outline.tally.unknown) == {"Wut"}
    assert outline.tally.unknown["Wut"] == len(unknown)
    assert outline.tally.faces == Tally.of(read_manifest(tmp_path / "out/manifest.csv")).faces or kind == "csv"

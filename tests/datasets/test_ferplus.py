"""Adapter ``ferplus``: votes joined by row, or by the names that the authors' tool gives, and their traps."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fer_au.datasets import ingest_dataset
from fer_au.datasets.base import examine_dataset
from fer_au.datasets.recognition import fitting_adapters
from fer_au.errors import DataError
from fer_au.stores import Store
from tests.datasets.miniatures import fer2013
from tests.datasets.miniatures.ferplus import HEADER, NAMELESS, names, votes, write, write_parts, write_votes
from tests.datasets.miniatures.noise import write_noise
from tests.datasets.official import check_outline, outline, reasons, scan, survey

CLASSES = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
NAMED = [number for number in range(28) if number != NAMELESS]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def test_votes_are_joined_to_the_pixels_by_row_and_not_by_the_number_in_a_name(root: Path) -> None:
    write(root)
    found = survey("ferplus", root)
    assert {row.id: row.label for row in found.rows} == {
        f"fer2013.csv/{number:05d}.png": CLASSES[number % 8] for number in NAMED
    }
    assert Counter(row.split for row in found.rows) == {"train": 13, "valid": 7, "test": 7}
    assert reasons(found) == {f"fer2013.csv/{NAMELESS:05d}.png": "unlabelled"}
    (reject,) = found.rejects
    assert reject.detail == "most votes are for no face (NF)"
    alone = {row.id: row.sha256 for row in survey("fer2013", root).rows}  # the pictures are FER2013's
    assert all(alone[row.id] == row.sha256 for row in found.rows)
    check_outline("ferplus", root)


def test_the_folders_of_the_authors_tool_are_joined_by_name(root: Path) -> None:
    write_parts(root)
    found = survey("ferplus", root)
    labels = {row.path.rpartition("/")[2]: row.label for row in found.rows}
    assert labels == {names()[number]: CLASSES[number % 8] for number in NAMED}
    assert Counter(row.split for row in found.rows) == {"train": 13, "valid": 7, "test": 7}
    assert found.rejects == ()
    check_outline("ferplus", root)


def test_pictures_that_the_votes_name_are_found_in_any_folder(root: Path) -> None:
    write_votes(root / "labels.csv")
    for name in filter(None, names()):
        write_noise(root / "images" / name)
    write_noise(root / "images" / "fer9999999.png")
    found = survey("ferplus", root, max_reject_fraction=0.9)
    assert len(found.rows) == 27
    assert reasons(found) == {"labels.csv:5": "unlabelled", "images/fer9999999.png": "unlabelled"}
    assert fitting_adapters(root) == ["ferplus"]
    check_outline("ferplus", root)


@pytest.mark.parametrize("mode", ["probability", "multi-target"])
def test_soft_labels_are_the_shares_of_the_votes(root: Path, tmp_path: Path, mode: str) -> None:
    write(root)
    config, _ = examine_dataset("fer", {"adapter": "ferplus", "root": str(root), "mode": mode})
    assert config is not None
    ingest_dataset("fer", config, tmp_path / "data")
    store = Store.open(tmp_path / "data" / "annotations.h5", "annotations")
    assert store.attributes["soft_label_names"] == ",".join(CLASSES)
    soft = dict(zip(store.ids, np.asarray(store["soft_label"]), strict=True))
    for number in NAMED:
        expected = np.zeros(8)
        expected[number % 8], expected[(number + 1) % 8] = 0.7, 0.3
        np.testing.assert_allclose(soft[f"fer2013.csv/{number:05d}.png"], expected, atol=1e-6)
    assert outline("ferplus", root, mode=mode).columns == {"soft_label"}
    assert outline("ferplus", root).columns == frozenset()
    check_outline("ferplus", root, mode=mode)


def test_label_map_reaches_the_soft_labels(root: Path) -> None:
    write(root)
    found = scan("ferplus", root, mode="probability", label_map={"contempt": None, "fear": "surprise"})
    names_ = found.annotations.attributes["soft_label_names"].split(",")
    assert names_ == ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "surprise"]
    assert {record.label for record in found.records} == {*CLASSES} - {"contempt", "fear"}
    check_outline("ferplus", root, label_map={"contempt": None})


def test_modes_leave_out_other_faces(root: Path) -> None:
    counts = votes()
    counts[0] = [4, 3, 3, 0, 0, 0, 0, 0, 0, 0]
    counts[1] = [1] * 10
    counts[2] = [0, 0, 4, 0, 0, 0, 0, 0, 6, 0]
    write(root, counts)
    kept = {mode: {one.path[-9:-4] for one in scan("ferplus", root, mode=mode).records} for mode in (
        "majority", "plurality", "probability", "multi-target")}  # fmt: skip
    assert {mode: "00000" in ids for mode, ids in kept.items()} == {
        "majority": False, "plurality": True, "probability": True, "multi-target": True,
    }  # fmt: skip
    assert not any("00002" in ids for ids in kept.values())
    assert {"00001" in kept["plurality"], "00001" in kept["majority"]} == {True, False}
    for mode in kept:
        check_outline("ferplus", root, mode=mode)


def test_faults_of_rows_are_rejects(root: Path) -> None:
    table = fer2013.rows()
    table[5] = (table[5][0], "1 2", table[5][2])
    fer2013.write(root, table)
    write_votes(root / "fer2013new.csv")
    file = root / "fer2013new.csv"
    lines = file.read_text().splitlines()
    lines[1] = "Training,fer0000000.png,7,x,0,0,0,0,0,0,0,0"
    lines[2] = "Training,fer0000001.png,7,2.5,0,0,0,0,0,0,0,0"
    lines[3] = "Training,fer0000002.png,7"
    file.write_text("\r\n".join(lines))
    found = survey("ferplus", root, max_reject_fraction=0.9)
    assert {id_[-9:-4]: reason for id_, reason in reasons(found).items()} == {
        "00000": "bad_row", "00001": "bad_row", "00002": "bad_row", "00003": "unlabelled", "00005": "bad_row",
    }  # fmt: skip


def test_tables_that_don_t_fit_are_one_line(root: Path) -> None:
    write(root)
    file = root / "fer2013new.csv"
    whole = file.read_text().splitlines()
    file.write_text("\n".join(whole[:-1]))
    with pytest.raises(DataError, match=r"fer2013new\.csv has 27 rows, and fer2013\.csv 28; they are joined row by r"):
        scan("ferplus", root)
    file.write_text("\n".join([HEADER, *reversed(whole[1:])]))
    with pytest.raises(DataError, match=r"row 0, counted from 0, has the usage 'PrivateTest' in .* and 'Training' in"):
        scan("ferplus", root)
    file.write_text("\n".join(line.rpartition(",")[0] for line in whole))
    with pytest.raises(DataError, match=r"no column 'NF'; .*; a row of FERPlus is Usage, Image name, neutral, "):
        scan("ferplus", root)


def test_half_of_the_set_is_one_line(root: Path) -> None:
    write_votes(root / "fer2013new.csv")
    with pytest.raises(DataError, match=r"has the votes alone; put FER2013's fer2013\.csv beside it"):
        scan("ferplus", root)
    fer2013.write(root)
    (root / "fer2013new.csv").unlink()
    with pytest.raises(DataError, match=r"no fer2013new\.csv, .*; it looks like adapter fer2013"):
        scan("ferplus", root)


def test_the_folder_is_recognised(root: Path, tmp_path: Path) -> None:
    write(root)
    assert fitting_adapters(root) == ["ferplus"]
    write_parts(tmp_path / "parts")
    assert fitting_adapters(tmp_path / "parts") == ["ferplus"]
    (tmp_path / "parts" / "data" / "FER2013Test" / "label.csv").unlink()
    assert "FERPlus has more: here is no FER2013Test/label.csv" in scan("ferplus", tmp_path / "parts").notes

"""Adapter ``affectnet``: tables with and without headers, arrays, folders, and the traps of each."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fer_au.datasets.recognition import fitting_adapters
from fer_au.errors import DataError
from tests.datasets.miniatures.affectnet import (
    HEADER,
    IMAGES,
    points,
    row,
    write,
    write_arrays,
    write_folders,
)
from tests.datasets.miniatures.noise import write_noise
from tests.datasets.official import check_outline, reasons, scan, survey

LABELS = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "AffectNet"


@pytest.mark.parametrize("headed", [True, False])
def test_tables_give_codes_boxes_and_points_with_and_without_headers(root: Path, headed: bool) -> None:
    write(root, headed=headed)
    found = survey("affectnet", root, valid_fraction=0)
    assert {row.id: (row.label, row.split) for row in found.rows} == {
        f"{IMAGES}/{number % 3 + 1}/{part}{number}.jpg": (LABELS[number % 11], split)
        for part, split, count in (("training", "train", 22), ("validation", "test", 11))
        for number in range(count)
        if number % 11 < 8
    }
    assert {row.box for row in found.rows} == {(10.0, 8.0, 70.0, 70.0)}
    assert set(reasons(found).values()) == {"unlabelled"}
    details = {reject.detail for reject in found.rejects}
    assert details == {"expression 8: none", "expression 9: uncertain", "expression 10: no face"}
    read = np.asarray(found.annotations.columns["points"])
    assert read.shape == (24, 68, 2)
    np.testing.assert_allclose(read[0], points() + 0.5, atol=1e-4)  # they count pixels' centres from 0


def test_validation_may_be_valid_and_contempt_left_out(root: Path) -> None:
    write(root)
    assert {one.split for one in scan("affectnet", root, validation="valid").records} == {"train", "valid"}
    seven = scan("affectnet", root, classes=7)
    assert {one.label for one in seven.records} == {*LABELS} - {"contempt"}
    assert sum(one.detail == "contempt is left out by classes: 7" for one in seven.rejects) == 3
    mapped = scan("affectnet", root, label_map={8: "neutral"})
    assert Counter(one.label for one in mapped.records)["neutral"] == 6


def test_copies_with_other_pictures_do_without_boxes_and_points(root: Path) -> None:
    write(root)
    for path in (root / IMAGES).rglob("*.jpg"):
        write_noise(path, size=(20, 20))
    with pytest.raises(DataError, match="unusable points"):
        survey("affectnet", root, max_reject_fraction=0.9).check_losses("x", _config(root), "table")
    found = survey("affectnet", root, annotations=False)
    assert len(found.rows) == 24
    assert {one.box for one in found.rows} == {None}
    assert found.annotations.columns == {}


def _config(root: Path):  # type: ignore[no-untyped-def]
    from fer_au.datasets.affectnet import AffectnetConfig

    return AffectnetConfig(adapter="affectnet", root=root, max_reject_fraction=0.9)


def test_faults_of_rows_are_rejects(root: Path) -> None:
    write(root)
    file = root / "training.csv"
    lines = file.read_text().splitlines()
    cells = [line.split(",") for line in lines]
    cells[1][6] = "11"
    cells[2][1:5] = ["a", "b", "c", "d"]
    cells[3][3:5] = ["0", "0"]
    cells[4][5] = "1;2;3"
    cells[5][0] = "../../secret.jpg"
    cells[6][0] = "9/gone.jpg"
    cells[7][0] = cells[7][0].replace("/", "\\")
    cells[8][0] = ""
    text = [",".join(one) for one in cells] + [HEADER, lines[12], lines[13].replace(",1,0.1", ",2,0.1")]
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(text).encode())
    write_noise(root / IMAGES / "1" / "unlisted.jpg")
    found = survey("affectnet", root, max_reject_fraction=0.9)
    told = {id_.removeprefix(f"{IMAGES}/"): reason for id_, reason in reasons(found).items()}
    assert {id_: reason for id_, reason in told.items() if "expression" not in reason and reason != "unlabelled"} == {
        "1/training0.jpg": "unknown_label",
        "2/training1.jpg": "bad_row",
        "3/training2.jpg": "bad_row",
        "1/training3.jpg": "bad_points",  # the face stays
        "../../secret.jpg": "outside_root",
        "9/gone.jpg": "missing_file",
        "training.csv:9": "bad_row",
        "training.csv:24": "bad_row",
        "1/training12.jpg": "conflicting_labels",
    }
    assert told["1/unlisted.jpg"] == "unlabelled"
    ids = {one.id.removeprefix(f"{IMAGES}/") for one in found.rows}
    assert {"1/training3.jpg", "1/training6.jpg", "3/training11.jpg"} <= ids


@pytest.mark.parametrize("above", [".", "Manually_Annotated_Images", "Manually_Annotated_compressed"])
def test_the_folder_of_the_pictures_is_found(root: Path, above: str) -> None:
    write(root)
    (root / IMAGES).rename(root / "held")
    (root / "Manually_Annotated").rmdir()
    if above == ".":
        for folder in (root / "held").iterdir():
            folder.rename(root / folder.name)
        (root / "held").rmdir()
    else:
        (root / "held").rename(root / above)
    (root / "Manually_Annotated_file_lists").mkdir()
    for name in ("training.csv", "validation.csv"):
        (root / name).rename(root / "Manually_Annotated_file_lists" / name)
    assert len(scan("affectnet", root).records) == 24


@pytest.mark.parametrize("texts", [False, True])
def test_arrays_of_the_small_release_hold_numbers_or_texts(root: Path, texts: bool) -> None:
    write_arrays(root, texts=texts)
    found = survey("affectnet", root, valid_fraction=0)
    assert {row.id: (row.label, row.split) for row in found.rows} == {
        f"{folder}/images/{number}.jpg": (LABELS[number % 8], split)
        for folder, split, count in (("train_set", "train", 16), ("val_set", "test", 8))
        for number in range(count)
    }
    np.testing.assert_allclose(found.annotations.columns["points"][0], points() + 0.5, atol=1e-4)
    assert found.rejects == ()


def test_arrays_that_are_absent_or_could_be_code_are_rejects(root: Path) -> None:
    write_arrays(root)
    folder = root / "train_set/annotations"
    (folder / "0_exp.npy").unlink()
    np.save(folder / "1_exp.npy", np.array({"code": 1}), allow_pickle=True)
    (folder / "2_exp.npy").write_bytes(b"no array")
    np.save(folder / "3_exp.npy", np.array([1, 2]))
    np.save(folder / "4_exp.npy", np.array(9))
    np.save(folder / "5_lnd.npy", np.zeros(10))
    (folder / "6_lnd.npy").unlink()
    found = survey("affectnet", root, max_reject_fraction=0.9)
    assert {id_.rpartition("/")[2]: reason for id_, reason in reasons(found).items()} == {
        "0.jpg": "unlabelled", "1.jpg": "bad_row", "2.jpg": "bad_row", "3.jpg": "bad_row", "4.jpg": "unlabelled",
        "5.jpg": "bad_points",
    }  # fmt: skip
    assert {"train_set/images/5.jpg", "train_set/images/6.jpg"} <= {one.id for one in found.rows}


def test_folders_of_codes_and_of_names(root: Path) -> None:
    write_folders(root)
    found = scan("affectnet", root, classes=7)
    assert Counter(one.split for one in found.records) == {"train": 14, "test": 7}
    assert {one.path.split("/")[1]: one.label for one in found.records} == {
        str(code): label for code, label in enumerate(LABELS[:7])
    }
    check_outline("affectnet", root, classes=7)
    check_outline("affectnet", root, validation="valid")
    for split in ("train", "val"):
        for code, label in enumerate(LABELS):
            (root / split / str(code)).rename(root / split / label.title())
    write_noise(root / "train" / "Fear" / "ffhq_12.jpg")
    found = scan("affectnet", root)
    assert len(found.records) == 25
    assert "1 picture is named ffhq_...: of FFHQ, and not AffectNet's" in found.notes
    with pytest.raises(DataError, match="annotations: has no effect: folders of classes bring no boxes"):
        scan("affectnet", root, annotations=False)


@pytest.mark.parametrize("folders", [("",), ("train", "test")])
def test_a_mixture_with_faces_of_ffhq_is_known_and_told(folders: tuple[str, ...], root: Path) -> None:
    for folder in folders:
        for name in LABELS:
            write_noise(root / folder / name / f"image{LABELS.index(name):07d}.jpg")
            write_noise(root / folder / name / f"ffhq_{LABELS.index(name)}.png")
    assert fitting_adapters(root) == ["affectnet", "folder"]
    found = scan("affectnet", root)
    assert {one.split for one in found.records} == ({None} if folders == ("",) else {"train", "test"})
    assert {one.label for one in found.records} == {*LABELS}
    assert f"{8 * len(folders)} pictures are named ffhq_...: of FFHQ, and not AffectNet's" in found.notes
    assert not any("half of AffectNet" in note for note in found.notes)
    check_outline("affectnet", root)


def test_arrays_without_a_picture_are_told(root: Path) -> None:
    write_arrays(root)
    first = sorted((root / "train_set/images").iterdir())[0]
    first.unlink()
    assert reasons(scan("affectnet", root)) == {f"train_set/annotations/{first.stem}_exp.npy": "missing_file"}


def test_a_table_that_is_a_pipe_is_one_line(root: Path) -> None:
    write(root)
    (table,) = root.rglob("training.csv")
    table.unlink()
    os.mkfifo(table)
    with pytest.raises(DataError, match=r"training\.csv: no regular file, but a pipe"):
        scan("affectnet", root)


def test_half_of_the_set_and_other_layouts_are_one_line(root: Path, tmp_path: Path) -> None:
    write(root)
    assert any(
        "AffectNet has more: here are 16 of 287651 train, 8 of 4000 test" in n for n in scan("affectnet", root).notes
    )
    (root / "training.csv").rename(tmp_path / "training.csv")
    found = scan("affectnet", root)
    assert any("half of AffectNet is here, and no training part" in note for note in found.notes)
    (root / "validation.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"; a row of AffectNet is subDirectory_filePath,face_x,"):
        scan("affectnet", root)
    (tmp_path / "training.csv").rename(root / "training.csv")
    (root / "validation.csv").write_text("\n".join([HEADER, row("validation", 0)]))
    (root / "Manually_Annotated").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="AffectNet's tables are here without the pictures"):
        scan("affectnet", root)
    (tmp_path / "plain" / "happy").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no training\.csv and validation\.csv, nor .*; it looks like adapter folder"):
        scan("affectnet", tmp_path / "plain")


@pytest.mark.parametrize("form", [write, write_arrays, write_folders])
def test_each_form_is_recognised(root: Path, form) -> None:  # type: ignore[no-untyped-def]
    form(root)
    assert fitting_adapters(root) == ["affectnet"]


def test_tables_without_their_pictures_and_names_that_are_too_long_are_told(root: Path) -> None:
    write(root)
    (table,) = root.rglob("training.csv")
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1].replace(lines[1].partition(",")[0], "1/" + 300 * "a" + ".jpg")]))
    assert reasons(survey("affectnet", root))[f"{IMAGES}/1/{300 * 'a'}.jpg"] == "unreadable"
    lists = root / "Manually_Annotated_file_lists"
    lists.mkdir()
    for path in [*root.rglob("*.csv")]:
        path.rename(lists / path.name)
    shutil.rmtree(root / IMAGES)
    for folder in (root / IMAGES).parents:
        if folder != root and folder.is_relative_to(root):
            folder.rmdir()
    with pytest.raises(DataError, match="AffectNet's tables are here without the pictures"):
        scan("affectnet", root)

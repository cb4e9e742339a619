"""Adapter ``fer2013``: both tables, Kaggle's folders, and what goes wrong with each."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_au.config.data import AlignConfig
from fer_au.datasets import ingest_dataset, read_manifest
from fer_au.datasets.base import examine_dataset
from fer_au.datasets.fer2013 import COLUMNS
from fer_au.datasets.pixel_table import read_pixel_table, read_pixels
from fer_au.datasets.plain_png import plain_png
from fer_au.datasets.recognition import fitting_adapters
from fer_au.decoding import decode_image
from fer_au.errors import DataError
from fer_au.faces import align_dataset
from fer_au.shards.pictures import find_kept
from fer_au.stores import Store
from stages import align, ingest
from tests.datasets.miniatures import rafdb
from tests.datasets.miniatures.fer2013 import CLASSES, pixels, rows, write, write_folders, write_kaggle_table
from tests.datasets.miniatures.noise import write_noise
from tests.datasets.official import check_outline, reasons, scan, survey

LABELS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
COUNTS = {"train": 14, "valid": 7, "test": 7}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def test_rows_become_pictures_with_the_labels_and_splits_of_the_contest(root: Path) -> None:
    write(root)
    found = survey("fer2013", root)
    assert [(row.id, row.label) for row in found.rows] == [
        (f"fer2013.csv/{number:05d}.png", LABELS[number % 7]) for number in range(28)
    ]
    assert Counter(row.split for row in found.rows) == COUNTS
    assert {(row.width, row.height) for row in found.rows} == {(48, 48)}
    for number in (0, 27):
        kept = find_kept(found.rows[number].sha256)
        assert kept is not None
        expected = np.array(pixels(number).split(), np.uint8).reshape(48, 48)
        np.testing.assert_array_equal(decode_image(kept.read_bytes()), np.dstack([expected] * 3))
    check_outline("fer2013", root)


def test_both_tables_give_the_same_pictures(root: Path, tmp_path: Path) -> None:
    write(root)
    write_kaggle_table(tmp_path / "kaggle")
    one, other = (survey("fer2013", folder).rows for folder in (root, tmp_path / "kaggle"))
    assert [(row.sha256, row.label, row.split) for row in one] == [(row.sha256, row.label, row.split) for row in other]
    assert other[0].id == "icml_face_data.csv/00000.png"
    write_kaggle_table(root)  # both are there: the same rows must not count twice
    assert [row.id for row in survey("fer2013", root).rows] == [row.id for row in one]
    check_outline("fer2013", tmp_path / "kaggle")


@pytest.mark.parametrize(
    ("change", "encoding"),
    [
        (lambda text: text, "utf-8-sig"),
        (lambda text: text.replace("\n", "\r\n"), "ascii"),
        (lambda text: text.replace("\n", "\r"), "ascii"),
        (lambda text: text.replace(",", ";"), "ascii"),
        (lambda text: text.replace(",", "\t"), "ascii"),
        (lambda text: text.replace("Usage", " usage ").replace("emotion", "Emotion"), "ascii"),
        (lambda text: text.partition("\n")[2], "ascii"),  # no header
        (lambda text: text + "\n\n", "ascii"),
        (lambda text: "\n".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()), "ascii"),
    ],
    ids=["bom", "crlf", "cr", "semicolon", "tab", "blanks", "headless", "blank lines", "quoted"],
)  # fmt: skip
def test_any_form_of_the_table_gives_the_same_pictures(root: Path, change, encoding: str) -> None:  # type: ignore[no-untyped-def]
    write(root)
    expected = survey("fer2013", root).rows
    file = root / "fer2013.csv"
    file.write_bytes(change(file.read_text()).encode(encoding))
    found = survey("fer2013", root)
    assert found.rows == expected
    assert found.rejects == ()


def test_faults_of_rows_are_rejects_and_rows_keep_their_numbers(root: Path) -> None:
    table = rows()
    table[1] = ("7", table[1][1], "Training")
    table[2] = ("2", table[2][1].rpartition(" ")[0], "Training")
    table[3] = ("3", table[3][1].replace(" ", " 256 ", 1).rpartition(" ")[0], "Training")
    table[4] = ("4", "a b c", "Training")
    table[5] = ("5", table[5][1], "Holdout")
    table[6] = ("", table[6][1], "Training")
    table[7] = ("0", "", "Training")
    table[8] = ("1", " ".join(["9"] * 64), "Training")
    write(root, table)
    file = root / "fer2013.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:11], lines[0], "3,cut", *lines[12:]]) + "\n")
    found = survey("fer2013", root, max_reject_fraction=0.9)
    assert reasons(found) == {
        "fer2013.csv/00001.png": "unknown_label",
        "fer2013.csv/00002.png": "bad_row",  # 2303 pixels
        "fer2013.csv/00003.png": "bad_row",  # 256
        "fer2013.csv/00004.png": "bad_row",
        "fer2013.csv/00005.png": "bad_row",
        "fer2013.csv/00006.png": "unlabelled",
        "fer2013.csv/00007.png": "bad_row",
        "fer2013.csv/00008.png": "too_small",
        "fer2013.csv/00010.png": "bad_row",  # two cells, in the place of row 10; the header above counts as none
    }
    details = {reject.id[-9:-4]: reject.detail for reject in found.rejects}
    assert details["00002"] == "2303 pixels, which make no square"
    assert details["00003"] == "its pixels are not all whole numbers from 0 to 255"
    ids = {row.id[-9:-4]: row.label for row in found.rows}
    assert ids["00011"] == LABELS[11 % 7]  # what stands behind the faults is numbered as in a sound table


def test_kaggles_folders_are_parted_by_the_names_of_pictures(root: Path) -> None:
    write_folders(root)
    found = scan("fer2013", root)
    assert Counter(record.split for record in found.records) == COUNTS
    assert {record.label for record in found.records} == {*LABELS}
    (neutral,) = [one for one in found.records if one.path.startswith("test/neutral/PublicTest")]
    assert (neutral.label, neutral.split) == ("neutral", "valid")
    check_outline("fer2013", root)
    (root / "archive").mkdir()
    for name in ("train", "test"):
        (root / name).rename(root / "archive" / name)
    assert Counter(record.split for record in scan("fer2013", root).records) == COUNTS


def test_what_names_don_t_tell_is_said(root: Path) -> None:
    write_folders(root, named=False)
    found = scan("fer2013", root)
    assert Counter(record.split for record in found.records) == {"train": 14, "test": 14}
    assert any("says PublicTest or PrivateTest: folder test is test as it stands" in note for note in found.notes)
    for split in ("train", "test"):
        for code, name in enumerate(CLASSES):
            (root / split / name).rename(root / split / str(code))
    found = scan("fer2013", root)
    assert any("if they count the alphabet (4 is neutral, 6 surprise), say `label_map:" in note for note in found.notes)
    alphabet = scan("fer2013", root, label_map={4: "neutral", 5: "sadness", 6: "surprise"})
    labels = {one.path.split("/")[1]: one.label for one in alphabet.records}
    assert (labels["4"], labels["5"], labels["6"]) == ("neutral", "sadness", "surprise")


def test_contradictions_in_folders_are_rejects(root: Path) -> None:
    write_folders(root)
    write_noise(root / "test" / "sad" / "Training_1.jpg")
    write_noise(root / "train" / "sad" / "PrivateTest_1.jpg")
    write_noise(root / "train" / "bored" / "Training_2.jpg")
    write_noise(root / "train" / "stray.jpg")
    assert reasons(scan("fer2013", root)) == {
        "test/sad/Training_1.jpg": "bad_row",
        "train/sad/PrivateTest_1.jpg": "bad_row",
        "train/bored/Training_2.jpg": "unknown_label",
        "train/stray.jpg": "unlabelled",
    }


@pytest.mark.parametrize("form", [write, write_folders])
def test_a_label_may_be_left_out_by_its_name(root: Path, form) -> None:  # type: ignore[no-untyped-def]
    form(root)
    found = scan("fer2013", root, label_map={"neutral": None})
    assert {record.label for record in found.records} == {*LABELS} - {"neutral"}
    assert set(reasons(found).values()) == {"unlabelled"}
    check_outline("fer2013", root, label_map={"neutral": None})


def test_kaggles_training_table_has_no_usage(root: Path) -> None:
    root.mkdir()
    (root / "train.csv").write_text("\n".join(["emotion,pixels", *(f"{row[0]},{row[1]}" for row in rows())]))
    found = survey("fer2013", root, test_fraction=0.2)
    assert any("has no column Usage" in note for note in found.notes)
    assert {row.split for row in found.rows} == {"train", "valid", "test"}
    assert fitting_adapters(root) == ["fer2013"]
    (root / "train.csv").write_text("id,path\n1,a.jpg\n")
    assert fitting_adapters(root) == []


def test_half_a_set_and_other_layouts_are_one_line(root: Path) -> None:
    write(root, rows()[:14])
    (note,) = [note for note in scan("fer2013", root).notes if "FER2013 has more" in note]
    assert note == "FER2013 has more: here are 14 of 28709 train, 0 of 3589 valid, 0 of 3589 test"
    (root / "fer2013.csv").write_text("pixels\n1 2 3\n")
    with pytest.raises(DataError, match=r"fer2013\.csv: no column 'emotion' \(the label\); its columns are: pixels"):
        scan("fer2013", root)
    (root / "fer2013.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"fer2013\.csv: no column 'pixels'; its columns are: a, b"):
        scan("fer2013", root)
    (root / "fer2013.csv").write_bytes("emotion,pixels,Usage\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"fer2013\.csv: no UTF-8 text; save it as plain csv"):
        scan("fer2013", root)
    (root / "fer2013.csv").unlink()
    (root / "happy").mkdir()
    with pytest.raises(DataError, match=r"nor folders train and test .*; folders found: happy; it looks like"):
        scan("fer2013", root)


def test_other_adapters_are_told_which_one_fits(root: Path) -> None:
    write(root)
    assert fitting_adapters(root) == ["fer2013"]
    with pytest.raises(DataError, match="it looks like adapter fer2013"):
        scan("rafdb", root)
    with pytest.raises(DataError, match=r"no column 'image', 'label'.*; it looks like adapter fer2013$"):
        scan("csv", root, labels="fer2013.csv")
    write_folders(root.parent / "folders")
    assert fitting_adapters(root.parent / "folders") == ["fer2013", "folder"]


def test_a_table_that_leads_out_of_the_root_is_refused(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere")
    root.mkdir()
    (root / "fer2013.csv").symlink_to(tmp_path / "elsewhere" / "fer2013.csv")
    with pytest.raises(DataError, match=r"fer2013\.csv: a link that leads out of the root; `follow_links: true`"):
        survey("fer2013", root)
    assert len(survey("fer2013", root, follow_links=True).rows) == 28


def test_ingest_and_align_take_them_as_any_picture(root: Path, tmp_path: Path) -> None:
    write(root)
    config, _ = examine_dataset("fer", {"adapter": "fer2013", "root": str(root)})
    assert config is not None
    data = tmp_path / "data" / "fer"
    ingest_dataset("fer", config, data)
    first = (data / "manifest.csv").read_bytes()
    ingest_dataset("fer", config, data)
    assert (data / "manifest.csv").read_bytes() == first
    align_dataset(AlignConfig(detector="whole-image", template="none", size=48), data, root)
    store = Store.open(data / "faces.h5", "faces")
    assert store.ids == [row.id for row in read_manifest(data / "manifest.csv")]


def test_the_stage_align_makes_lost_pictures_again(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root)
    monkeypatch.chdir(tmp_path)
    entry = f"datasets: {{fer: {{adapter: fer2013, root: {root}}}}}\n"
    (tmp_path / "params.yaml").write_text(entry + "align: {detector: whole-image, template: none, size: 48}\n")
    ingest.main("fer")
    shutil.rmtree(tmp_path / "cache" / "pictures")
    align.main("fer")
    rows = read_manifest(tmp_path / "data/fer/manifest.csv")
    assert Store.open(tmp_path / "data/fer/faces.h5", "faces").ids == [row.id for row in rows]
    assert all(find_kept(row.sha256) for row in rows)


def test_pixels_are_read_exactly_and_written_alike_by_any_library() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    read = read_pixels(" ".join(map(str, image.ravel())).encode())
    assert isinstance(read, np.ndarray)
    np.testing.assert_array_equal(read, image)
    for size in (1, 16, 300):  # 300 x 301 bytes need two blocks
        noise = np.random.default_rng(size).integers(0, 256, (size, size), dtype=np.uint8)
        data = plain_png(noise)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), noise)
        np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), noise)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_a_table_is_read_alike_in_pieces_of_any_size(
    ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = " ".join(map(str, range(256)))
    lines = [
        "\ufeffUsage;pixels;emotion",
        f'Training;"{pixels}";3',
        "",
        f"PublicTest; {pixels} ;4",
        ";;",
        f"Training;{pixels};6;1",
    ]
    (tmp_path / "fer2013.csv").write_bytes(
        ends.join([*lines, "Usage;Pixels;emotion", f"PrivateTest;{pixels};0"]).encode()
    )
    whole = read_pixel_table(tmp_path, "fer2013.csv", COLUMNS, ("usage",))
    assert [(row.number, row.cells["emotion"]) for row in whole.rows] == [(0, "3"), (1, "4"), (3, "0")]
    data = (tmp_path / "fer2013.csv").read_bytes()
    assert {data[row.start : row.start + row.length].decode() for row in whole.rows} == {pixels}
    assert [(one.id[-9:], one.detail) for one in whole.rejects] == [
        ("00002.png", "4 cells, expected 3"),
        ("00003.png", "the header once more"),
    ]
    for size in (300, 701, 5000):
        monkeypatch.setattr("fer_au.datasets.pixel_table._PIECE", size)
        assert read_pixel_table(tmp_path, "fer2013.csv", COLUMNS, ("usage",)) == whole


def test_numbers_of_another_sets_folders_are_refused(tmp_path: Path) -> None:
    rafdb.write_kaggle(tmp_path)
    with pytest.raises(DataError, match="class folders 7 are no codes of FER2013, which are 0 to 6; it looks like"):
        scan("fer2013", tmp_path)

"""The ingest stage: exact reject tables, identical bytes, clear lines."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_au.config.data import DatasetConfig
from fer_au.datasets import Adapter, Annotations, Record, Scan, ingest_dataset, read_manifest
from fer_au.datasets.base import ADAPTERS
from fer_au.datasets.csv_labels import CsvConfig
from fer_au.datasets.folder import FolderConfig
from fer_au.errors import DataError
from fer_au.ibug68 import MEAN_FACE
from fer_au.rejects import Reason, Reject, read_rejects
from fer_au.stores import Store

Nasty = tuple[Path, dict[str, str], set[str]]
FILES = ("manifest.csv", "annotations.h5", "rejects/ingest.csv", "rejects/leaks.csv")


def folder_config(root: Path, **keys: object) -> FolderConfig:
    return FolderConfig.model_validate({"adapter": "folder", "root": root, "max_reject_fraction": 0.9, **keys})


def digests(folder: Path) -> list[str]:
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES]


def test_a_nasty_folder_gives_the_exact_reject_table(nasty_folder: Nasty, tmp_path: Path) -> None:
    root, rejects, accepted = nasty_folder
    ingest_dataset("nasty", folder_config(root), tmp_path / "out")
    table = read_rejects(tmp_path / "out/rejects/ingest.csv")
    assert {reject.id: reject.reason.value for reject in table} == rejects
    assert all(reject.detail for reject in table)
    assert {row.id for row in read_manifest(tmp_path / "out/manifest.csv")} == accepted


def test_the_manifest_tells_what_the_files_are(nasty_folder: Nasty, tmp_path: Path) -> None:
    root, _, _ = nasty_folder
    ingest_dataset("nasty", folder_config(root), tmp_path / "out")
    rows = {row.id: row for row in read_manifest(tmp_path / "out/manifest.csv")}
    for row in rows.values():
        assert row.sha256 == hashlib.sha256((root / row.path).read_bytes()).hexdigest()
        assert row.label == {"happy": "happiness", "sad": "sadness"}[row.path.split("/")[0]]
    upright = rows["happy/exif6.jpg"]
    assert (upright.width, upright.height) == (24, 32)  # stored as 32 x 24


def test_manifest_lines_end_in_line_feeds_and_are_sorted(nasty_folder: Nasty, tmp_path: Path) -> None:
    root, _, accepted = nasty_folder
    ingest_dataset("nasty", folder_config(root), tmp_path / "out")
    raw = (tmp_path / "out/manifest.csv").read_bytes()
    assert raw.startswith(b"id,path,sha256,split,fold,label,subject,width,height,box\n")
    assert b"\r\n" not in raw
    assert [row.id for row in read_manifest(tmp_path / "out/manifest.csv")] == sorted(accepted)


def test_two_runs_give_the_same_bytes_with_any_number_of_workers(
    nasty_folder: Nasty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _, _ = nasty_folder
    ingest_dataset("nasty", folder_config(root), tmp_path / "a")
    monkeypatch.setenv("FER_AU_WORKERS", "2")
    monkeypatch.setattr("fer_au.datasets.inspection._BATCH", 3)
    ingest_dataset("nasty", folder_config(root), tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_the_place_of_the_root_and_the_order_of_files_do_not_matter(tmp_path: Path, add: Callable[..., Path]) -> None:
    for name in ("c", "a", "b", "d", "e", "f"):
        add(tmp_path / "one/happy" / f"{name}.jpg")
        add(tmp_path / "one/sad" / f"{name}.jpg")
    for path in sorted((tmp_path / "one").rglob("*.jpg"), reverse=True):  # made in another order
        copy = tmp_path / "two" / path.relative_to(tmp_path / "one")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    for name in ("one", "two"):
        ingest_dataset("x", folder_config(tmp_path / name, test_fraction=0.3), tmp_path / f"out-{name}")
    assert digests(tmp_path / "out-one") == digests(tmp_path / "out-two")


def test_too_many_rejects_fail_with_counts_after_the_table_is_written(nasty_folder: Nasty, tmp_path: Path) -> None:
    root, rejects, _ = nasty_folder
    with pytest.raises(DataError, match=r"3 not_an_image (.*), 2 missing_file (.*), .*rejects/ingest.csv") as caught:
        ingest_dataset("nasty", folder_config(root, max_reject_fraction=0.05), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert len(read_rejects(tmp_path / "out/rejects/ingest.csv")) == len(rejects)
    assert not (tmp_path / "out/manifest.csv").exists()


def test_unlabelled_pictures_are_listed_and_do_not_count_as_losses(tmp_path: Path, add: Callable[..., Path]) -> None:
    add(tmp_path / "raw/happy/1.jpg")
    for index in range(5):
        add(tmp_path / f"raw/{index}.jpg")
    ingest_dataset("x", folder_config(tmp_path / "raw", max_reject_fraction=0.0), tmp_path / "out")
    assert [reject.reason for reject in read_rejects(tmp_path / "out/rejects/ingest.csv")] == [Reason.UNLABELLED] * 5


def test_a_missing_or_empty_root_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name, message in [("absent", "does not exist"), ("empty", "is empty"), ("file", "not a folder")]:
        with pytest.raises(DataError, match=message) as caught:
            ingest_dataset("x", folder_config(tmp_path / name), tmp_path / "out")
        assert name in str(caught.value)


def test_a_set_of_class_folders_without_pictures_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "raw/happy").mkdir(parents=True)
    with pytest.raises(DataError, match="no labelled picture below"):
        ingest_dataset("x", folder_config(tmp_path / "raw"), tmp_path / "out")


def test_a_class_with_one_picture_stays_in_train_and_is_reported(
    tmp_path: Path, add: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    add(tmp_path / "raw/fear/only.jpg")
    for index in range(20):
        add(tmp_path / f"raw/happy/{index}.jpg")
    ingest_dataset("x", folder_config(tmp_path / "raw", test_fraction=0.6, valid_fraction=0.6), tmp_path / "out")
    rows = {row.id: row for row in read_manifest(tmp_path / "out/manifest.csv")}
    assert rows["fear/only.jpg"].split == "train"
    lines = capsys.readouterr().err.splitlines()
    assert "ingest x: class fear has one face; it is in train" in lines
    assert lines[-1].startswith("ingest x: 21 faces: train 4 (happiness 3, fear 1)")


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX alone")
def test_a_file_name_that_is_not_utf8_is_a_reject(tmp_path: Path, add: Callable[..., Path]) -> None:
    good = add(tmp_path / "raw/happy/good.jpg")
    try:
        shutil.copyfile(good, os.fsencode(good.parent) + b"/caf\xe9.jpg")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    ingest_dataset("x", folder_config(tmp_path / "raw"), tmp_path / "out")
    (reject,) = read_rejects(tmp_path / "out/rejects/ingest.csv")
    assert (reject.id, reject.reason) == ("happy/caf\\udce9.jpg", Reason.UNREADABLE)


def test_a_pipe_named_like_a_picture_does_not_block(tmp_path: Path, add: Callable[..., Path]) -> None:
    add(tmp_path / "raw/happy/good.jpg")
    os.mkfifo(tmp_path / "raw/happy/pipe.jpg")
    ingest_dataset("x", folder_config(tmp_path / "raw"), tmp_path / "out")
    (reject,) = read_rejects(tmp_path / "out/rejects/ingest.csv")
    assert reject.reason is Reason.NOT_AN_IMAGE


class GivenConfig(DatasetConfig):
    """A set that a test describes by itself."""


class GivenAdapter(Adapter[GivenConfig]):
    Config = GivenConfig
    result: Scan

    def scan(self, config: GivenConfig) -> Scan:
        return self.result


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, add: Callable[..., Path]) -> Callable[[Scan], Path]:
    """Ingest a scan over the pictures a.jpg, b.jpg and c.jpg (32 x 24)."""
    monkeypatch.setitem(ADAPTERS._entries, "given", GivenAdapter)
    for name in "abc":
        add(tmp_path / f"raw/{name}.jpg")

    def run(scan: Scan) -> Path:
        monkeypatch.setattr(GivenAdapter, "result", scan, raising=False)
        config = GivenConfig(adapter="given", root=tmp_path / "raw", valid_fraction=0, max_reject_fraction=0.9)
        ingest_dataset("x", config, tmp_path / "out")
        return tmp_path / "out"

    return run


def records(names: str) -> tuple[Record, ...]:
    return tuple(Record(f"{name}.jpg", "fear", "train") for name in names)


def test_annotations_come_in_manifest_order_without_the_rejected(given: Callable[[Scan], Path]) -> None:
    points = np.stack([MEAN_FACE * 10 + [15 + row, 10] for row in range(3)]).astype(np.float32)
    known = Annotations(("c.jpg", "a.jpg", "gone.jpg"), {"points": points}, {"au_names": "AU1,AU2"})
    out = given(Scan((*records("cba"), Record("gone.jpg", "fear")), annotations=known))
    store = Store.open(out / "annotations.h5", "annotations")
    assert store.ids == ["a.jpg", "b.jpg", "c.jpg"]
    np.testing.assert_array_equal(store["points"][[0, 2]], points[[1, 0]])
    assert np.isnan(store["points"][1]).all()
    assert store.attributes["au_names"] == "AU1,AU2"


def test_an_integer_annotation_needs_every_row(given: Callable[[Scan], Path]) -> None:
    known = Annotations(("a.jpg",), {"motion": np.zeros((1, 64, 64), np.uint8)})
    with pytest.raises(DataError, match=r"'motion' has no row for b.jpg"):
        given(Scan(records("ab"), annotations=known))


def test_annotations_that_do_not_fit_their_ids_are_refused(given: Callable[[Scan], Path]) -> None:
    with pytest.raises(DataError, match="'au': 1 rows for 2"):
        given(Scan(records("ab"), annotations=Annotations(("a.jpg", "b.jpg"), {"au": np.zeros((1, 3), np.float32)})))


def test_records_that_contradict_each_other_are_rejected_and_equal_ones_merged(given: Callable[[Scan], Path]) -> None:
    twice = Record("b.jpg", "anger", "train"), Record("b.jpg", "anger", "test")
    out = given(Scan((*records("aac"), *twice, Record("c.jpg", "anger", "train"))))
    assert [row.id for row in read_manifest(out / "manifest.csv")] == ["a.jpg"]
    assert read_rejects(out / "rejects/ingest.csv") == [
        Reject("b.jpg", Reason.DUPLICATE_ID, "several rows that differ in split"),
        Reject("c.jpg", Reason.CONFLICTING_LABELS, "anger, fear"),
    ]


def test_paths_that_leave_the_root_are_never_opened(given: Callable[[Scan], Path], tmp_path: Path) -> None:
    paths = ["../raw/b.jpg", str(tmp_path / "raw/b.jpg"), "x/../b.jpg"]
    hostile = [Record(path, "fear") for path in (*paths, "nul\0.jpg", "x" * 5000)]
    out = given(Scan((*records("abc"), *hostile)))
    table = [reject for reject in read_rejects(out / "rejects/ingest.csv") if reject.reason is not Reason.UNREADABLE]
    assert len(read_manifest(out / "manifest.csv")) == 3
    assert sorted(reject.id for reject in table) == sorted(paths)
    assert {reject.reason for reject in table} == {Reason.OUTSIDE_ROOT}


@pytest.mark.parametrize("box", [(0.2, 0.2, 0.8, 0.8), (0.5, 0.5, 1.1, 1.1), (0.0, 0.0, 1.0, 1.0)])
def test_normalised_boxes_are_named_before_a_face_is_sought(
    given: Callable[[Scan], Path], box: tuple[float, float, float, float]
) -> None:
    faces = (Record("a.jpg", "fear", box=box), Record("b.jpg", "fear", box=(2.0, 2.0, 20.0, 20.0)))
    out = given(Scan(faces))
    (reject,) = read_rejects(out / "rejects/ingest.csv")
    assert (reject.id, reject.reason) == ("a.jpg", Reason.BAD_ROW)
    assert "looks normalised to [0, 1]; multiply x by the picture's width" in reject.detail


def test_several_faces_of_one_picture_have_their_own_ids_and_boxes(given: Callable[[Scan], Path]) -> None:
    left = Record("a.jpg", "fear", box=(-2.0, 0.0, 10.5, 20.0), face_key="0")
    right = Record("a.jpg", "anger", box=(15.0, 0.0, 30.0, 20.0), face_key="1")
    beyond = Record("a.jpg", "anger", box=(40.0, 0.0, 60.0, 20.0), face_key="2")
    out = given(Scan((right, left, beyond)))
    rows = read_manifest(out / "manifest.csv")
    assert [(row.id, row.path, row.label, row.box) for row in rows] == [
        ("a.jpg#0", "a.jpg", "fear", (-2.0, 0.0, 10.5, 20.0)),
        ("a.jpg#1", "a.jpg", "anger", (15.0, 0.0, 30.0, 20.0)),
    ]
    (reject,) = read_rejects(out / "rejects/ingest.csv")
    assert (reject.id, reject.reason) == ("a.jpg#2", Reason.BAD_ROW)


def test_where_all_is_lost_the_loss_is_told_and_no_key(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "images/a.png")
    (tmp_path / "labels.csv").write_text("image,label,x0,y0,x1,y1\na.png,happy,50,50,10,10\n")
    columns = {"image": "image", "label": "label", "box": ["x0", "y0", "x1", "y1"]}
    entry = {"adapter": "csv", "root": tmp_path, "labels": "labels.csv", "images": "images", "columns": columns}
    config = CsvConfig.model_validate({**entry, "test_fraction": 0.2})
    with pytest.raises(DataError, match=r"1 of 1 items rejected .* 1 bad_row \(images/a\.png: "):
        ingest_dataset("mine", config, tmp_path / "out")


def test_a_label_map_that_no_label_meets_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text('image,label\na.png,"1,0"\n')
    entry = {"adapter": "csv", "root": tmp_path, "labels": "labels.csv", "label_map": {1: "fear"}}
    with pytest.raises(DataError, match=r"^\S*label_map: has no effect: no label of the data set is 1; it has 1,0"):
        ingest_dataset("mine", CsvConfig.model_validate(entry), tmp_path / "out")

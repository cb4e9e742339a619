"""Faces in formats that others read: what their own readers find there, and whose pictures are not copied."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from torchvision.datasets import ImageFolder

from benchmarks.shared.blobs import Blob, write_dataset
from fer_au.batches.formats import Format, export_faces
from fer_au.batches.samples import open_faces
from fer_au.cli import entry
from fer_au.errors import ConfigError, MissingDependencyError, StoreError
from fer_au.stores.schemas import FaceStatus

BLOBS = [
    Blob("happiness"),
    Blob("anger", landmarks=False),
    Blob("neutral"),
    Blob("happiness", status=FaceStatus.REJECTED),
    Blob("anger", "valid"),
    Blob("happiness", "test"),
]
FACES = Path("data/blobs/faces.h5")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_dataset(FACES.parent, BLOBS)
    return tmp_path


def test_a_folder_of_pictures_is_read_by_torchvision() -> None:
    assert export_faces(FACES, Path("out"), "imagefolder", licensed=True) == 5
    found = ImageFolder("out/train")
    assert found.classes == ["anger", "happiness", "neutral"]
    ours = open_faces(FACES.parent, "train")
    by_row = {
        Path(path).stem: np.asarray(picture) for (path, _), (picture, _) in zip(found.samples, found, strict=True)
    }
    for row, sample in enumerate(ours):  # type: ignore[arg-type]
        assert np.array_equal(by_row[f"{row:06d}"], sample["image"].permute(1, 2, 0).numpy())
    table = Path("out/faces.csv").read_text().splitlines()
    assert table[:2] == ["file,id,label,split", "train/happiness/000000.png,0000.png,happiness,train"]
    assert sorted(path.name for path in Path("out").iterdir()) == ["faces.csv", "test", "train", "valid"]


def test_tar_files_hold_what_is_known_of_each_face_in_equal_bytes() -> None:
    export_faces(FACES, Path("out"), "webdataset", licensed=True)
    export_faces(FACES, Path("again"), "webdataset", licensed=True)
    names = ["test-000000.tar", "train-000000.tar", "valid-000000.tar"]
    assert sorted(path.name for path in Path("out").iterdir()) == names
    assert all((Path("out") / name).read_bytes() == (Path("again") / name).read_bytes() for name in names)
    with tarfile.open("out/train-000000.tar") as archive:
        files = {one.name: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]
    assert [name for name in files if name.startswith("000001.")] == ["000001.png", "000001.cls", "000001.json"]
    told = json.loads(files["000000.json"])
    assert (told["id"], told["label"], told["split"], files["000000.cls"]) == ("0000.png", "happiness", "train", b"1")
    sample = open_faces(FACES.parent, "train")[0]
    assert np.allclose(told["points"], sample["points"])
    assert json.loads(files["000001.json"])["points"] is None
    stored = np.load(io.BytesIO(files["000000.map.npy"]), allow_pickle=False)
    assert np.array_equal(stored, (sample["map"].numpy() * 255).round().astype(np.uint8))
    picture = cv2.imdecode(np.frombuffer(files["000000.png"], np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(picture, sample["image"].permute(1, 2, 0).numpy())


def test_a_parquet_file_is_read_by_pyarrow() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert export_faces(FACES, Path("out.parquet"), "parquet", licensed=True) == 5
    first = Path("out.parquet").read_bytes()
    table = parquet.read_table("out.parquet")
    assert table.column_names == ["id", "label", "split", "fold", "subject", "image", "points", "map"]
    rows = table.to_pylist()
    assert [row["split"] for row in rows] == ["train", "train", "train", "valid", "test"]
    sample = open_faces(FACES.parent, "train")[0]
    assert np.allclose(rows[0]["points"], sample["points"])
    assert np.array_equal(rows[0]["map"], (sample["map"].numpy() * 255).round())
    assert rows[1]["points"] is None and rows[1]["map"] is None  # noqa: PT018
    assert rows[0]["image"]["path"] == "000000.png"
    picture = cv2.imdecode(np.frombuffer(rows[0]["image"]["bytes"], np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(picture, sample["image"].permute(1, 2, 0).numpy())
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    export_faces(FACES, Path("out.parquet"), "parquet", licensed=True)
    assert Path("out.parquet").read_bytes() == first


def test_without_pyarrow_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"needs pyarrow; run `pip install 'fer-au\[parquet\]'`"):
        export_faces(FACES, Path("out.parquet"), "parquet", licensed=True)
    assert not Path("out.parquet").exists()


PIPELINE = "stages: {align: {foreach: [a], do: {cmd: x, outs: [{'data/${key}/faces.h5': %s}]}}}"


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda: None, "its crops show persons; --licensed says"),
        (lambda: Path("dvc.yaml").write_text(PIPELINE % "{push: false}"), r"stay on this machine \(`push: false`"),
        (lambda: Path("dvc.yaml").write_text(PIPELINE % "{remote: private}"), ""),
        (lambda: (FACES.parent / "rendered.json").write_text('{"sha256": null}'), "its crops show persons"),
        (lambda: (FACES.parent / "rendered.json").write_text('{"sha256": "ab"}'), ""),
    ],
)
def test_pictures_that_stay_here_are_copied_only_by_whoever_may(prepare: Callable[[], object], reason: str) -> None:
    prepare()
    if not reason:
        assert export_faces(FACES, Path("out"), "imagefolder") == 5
        return
    with pytest.raises(ConfigError, match=reason):
        export_faces(FACES, Path("out"), "imagefolder")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("faces", "output", "form", "error", "words"),
    [
        (FACES, "out.tar", "parquet", ConfigError, r"out\.tar: a parquet file is named \.parquet"),
        (FACES.with_name("landmarks.h5"), "out", "imagefolder", ConfigError, "name its faces.h5"),
        (FACES, "data", "imagefolder", StoreError, "data: is there already; name a new folder"),
    ],
)
def test_faults_are_one_line(faces: Path, output: str, form: Format, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        export_faces(faces, Path(output), form, licensed=True)


def test_a_writing_that_ends_with_an_error_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_au.batches.formats._json", lambda record: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_faces(FACES, Path("out"), "webdataset", licensed=True)
    assert sorted(path.name for path in Path().iterdir()) == ["data"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((FACES, "-o", "out", "--format", "zip"), "--format: must be imagefolder, parquet or webdataset, not 'zip'"),
        ((FACES, "-o", "out", "--format", "imagefolder", "--maps"), "--maps, --frame and --faces have no effect with"),
        ((FACES, "-o", "out.csv", "--licensed"), "--licensed has no effect without --format"),
        ((FACES, "-o", "out"), "out: unknown format ''; name it .npz or .csv"),
        ((FACES, "-o", "out", "--format", "webdataset"), "its crops show persons; --licensed says that you may copy"),
    ],
)
def test_slips_of_the_command_are_one_line(
    words: tuple[object, ...], line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_AU_DEBUG", "0")
    assert entry.run(["store", "export", *map(str, words)]) == 2
    assert line in capsys.readouterr().err
    assert not Path("out").exists()


def test_the_command_says_how_many_faces_it_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(["store", "export", str(FACES), "-o", "out", "--format", "imagefolder", "--licensed"]) == 0
    assert capsys.readouterr().out == "out: 5 faces\n"

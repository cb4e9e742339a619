"""Points leave by ``fer-au store export`` and come back by key ``points``, in the frame that files say."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from fer_au.config.data import AlignConfig, DemoConfig, LandmarksConfig
from fer_au.datasets import ingest_dataset
from fer_au.datasets.csv_labels import CsvConfig
from fer_au.demo.generate import generate
from fer_au.errors import DataError
from fer_au.faces import align_dataset
from fer_au.landmarks import extract_dataset
from fer_au.stores import Store, write_store
from tests.cli.conftest import Call

SUFFIXES = (".csv", ".npz")


def ingest(name: str, file: str, offset: float | None = None) -> Store:
    """Ingest the rendered faces with the points of a file; return the annotations."""
    points = {"file": file} | ({} if offset is None else {"offset": offset})
    values = {"adapter": "csv", "root": "raw", "labels": "labels.csv", "columns": {"image": "path"}, "points": points}
    ingest_dataset(name, CsvConfig.model_validate(values), Path(name))
    return Store.open(Path(name, "annotations.h5"), "annotations")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make ``first``, a data set of rendered faces with its points, crops and landmarks."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FER_AU_WORKERS", "1")
        patch.setenv("FER_AU_CACHE", "cache")
        generate(DemoConfig(identities=2, images=3), Path("raw"))
        truth = Store.open(Path("raw/truth.h5"), "truth")
        points = truth["points"].copy()
        points[1] = np.nan
        np.savez("raw/truth.npz", id=np.array(truth.ids), points=points)
        ingest("first", "truth.npz", 0)
        align_dataset(AlignConfig(), Path("first"), Path("raw"))
        extract_dataset(LandmarksConfig(extractor="provided", max_reject_fraction=0.5), Path("first"))
    return folder


@pytest.fixture
def lab(made: Path, tmp_path: Path, call: Call) -> Call:
    """Lay a copy of ``made`` where ``call`` works."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return call


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_points_of_pictures_come_back_to_the_last_bit(lab: Call, suffix: str) -> None:
    assert lab("store", "export", "first/annotations.h5", "-o", f"raw/points{suffix}")[0] == 0
    first, second = Store.open(Path("first/annotations.h5"), "annotations"), ingest("second", f"points{suffix}")
    assert second.ids == first.ids
    np.testing.assert_array_equal(second["points"], first["points"])
    assert np.isnan(second["points"]).all(axis=(1, 2)).sum() == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_landmarks_come_back_through_the_pictures_frame(lab: Call, suffix: str) -> None:
    out = f"raw/points{suffix}"
    assert lab("store", "export", "first/landmarks.h5", "-o", out, "--frame", "picture")[0] == 0
    ingest("second", f"points{suffix}")
    Path("second/faces.h5").write_bytes(Path("first/faces.h5").read_bytes())
    extract_dataset(LandmarksConfig(extractor="provided", max_reject_fraction=0.5), Path("second"))
    first, second = (Store.open(Path(name, "landmarks.h5"), "landmarks") for name in ("first", "second"))
    np.testing.assert_allclose(second["points"], first["points"], atol=1e-3)
    np.testing.assert_array_equal(second["status"], first["status"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_points_of_crops_are_refused_with_the_command_that_helps(lab: Call, suffix: str) -> None:
    for more in ((), ("--frame", "crop")):
        assert lab("store", "export", "first/landmarks.h5", "-o", f"raw/points{suffix}", *more)[0] == 0
        expected = rf"points\{suffix}: its points lie in aligned crops, .*-o points\{suffix} --frame picture` \(key"
        with pytest.raises(DataError, match=expected):
            ingest("second", f"points{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_offset_that_contradicts_the_file_is_refused(lab: Call, suffix: str) -> None:
    lab("store", "export", "first/annotations.h5", "-o", f"raw/points{suffix}")
    with pytest.raises(DataError, match=r"count from the picture's edge .*leave out points\.offset, which is 0\.5"):
        ingest("second", f"points{suffix}", 0.5)
    ingest("second", f"points{suffix}", 0)


def test_another_frame_than_the_pictures_is_refused_wherever_it_stands(lab: Call) -> None:
    lab("store", "export", "first/annotations.h5", "-o", "raw/points.csv")
    path = Path("raw/points.csv")
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    for frame, expected in (("crop", "lie in aligned crops"), ("screen", "points_frame must be picture, not 'screen'")):
        rows[-1][-1] = frame
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        with pytest.raises(DataError, match=expected):
            ingest("second", "points.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("landmarks.h5", "--frame", "screen"), "--frame: must be picture or crop, not 'screen'"),
        (("annotations.h5", "--frame", "crop"), "its points lie in the picture, and only landmarks.h5 has them in"),
        (("faces.h5", "--frame", "picture"), "--frame picture: it has no points"),
        (("landmarks.h5", "--frame", "picture", "--faces", "none.h5"), "none.h5"),
        (("landmarks.h5", "--frame", "picture", "--faces", "other.h5"), "these are other crops"),
    ],
)
def test_wrong_wishes_are_one_line(lab: Call, arguments: tuple[str, ...], message: str) -> None:
    faces = Store.open(Path("first/faces.h5"), "faces")
    columns = {name: faces[name] for name in faces.columns}
    attributes = {"image_size": 112, "template": "loose"}
    write_store(Path("other.h5"), "faces", columns, fingerprint="f", attributes=attributes)
    code, _, err = lab("store", "export", f"first/{arguments[0]}", "-o", "out.csv", *arguments[1:])
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not Path("out.csv").exists()

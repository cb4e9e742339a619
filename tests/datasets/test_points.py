"""Key ``points`` of adapter ``csv``: the set's own 68 points, from a column, a table or arrays, up to landmarks.h5."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from fer_au.config.data import AlignConfig, DemoConfig, LandmarksConfig
from fer_au.config.reading import validate
from fer_au.datasets import Scan, ingest_dataset
from fer_au.datasets.csv_labels import CsvAdapter, CsvConfig
from fer_au.datasets.points import parse_points
from fer_au.demo.generate import generate
from fer_au.errors import ConfigError, DataError
from fer_au.faces import align_dataset
from fer_au.faces.geometry import apply_matrix
from fer_au.landmarks import extract_dataset
from fer_au.rejects import Reason, Reject
from fer_au.stores import Store

RNG = np.random.default_rng(0)
TRUTH = {name: RNG.uniform(0, 30, (68, 2)).round(2).astype(np.float32) for name in ("a.jpg", "b.jpg", "c.jpg")}
LABELS = "image,label\na.jpg,fear\nb.jpg,happy\nc.jpg,anger\n"
ORDER = ["images/a.jpg", "images/b.jpg", "images/c.jpg"]


def cell(points: np.ndarray, separator: str = ";") -> str:
    return separator.join(str(number) for number in points.ravel().tolist())


@pytest.fixture
def scan(tmp_path: Path, add: Callable[..., Path]) -> Callable[..., Scan]:
    """Scan pictures a, b, c.jpg below ``images``, with a label file and key ``points``."""
    for name in "abc":
        add(tmp_path / f"images/{name}.jpg")

    def run(points: dict[str, object], labels: str = LABELS, **keys: object) -> Scan:
        (tmp_path / "labels.csv").write_text(labels)
        values = {"adapter": "csv", "root": tmp_path, "labels": "labels.csv", "images": "images", "points": points}
        return CsvAdapter().scan(CsvConfig.model_validate(values | keys))

    return run


def points_of(scan: Scan) -> dict[str, np.ndarray]:
    return dict(zip(scan.annotations.ids, scan.annotations.columns["points"], strict=True))


def expect(scan: Scan, names: str = "abc", offset: float = 0.5) -> None:
    found = points_of(scan)
    assert sorted(found) == [f"images/{name}.jpg" for name in names]
    for name in names:
        np.testing.assert_allclose(found[f"images/{name}.jpg"], TRUTH[f"{name}.jpg"] + offset, atol=1e-4)


def write_table(path: Path, style: str, order: str, **more: str) -> None:
    """Write a table of points; ``order`` says whether x and y alternate or all x come first."""
    axes = (
        [(axis, k) for k in range(68) for axis in "xy"]
        if order == "xyxy"
        else [(axis, k) for axis in "xy" for k in range(68)]
    )
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*more, "id", *(style.format(axis, k) for axis, k in axes)])
        for name, points in TRUTH.items():
            writer.writerow([*more.values(), name, *(points[k, "xy".index(axis)] for axis, k in axes)])


@pytest.mark.parametrize("separator", [";", " "])
def test_points_come_from_a_column_as_in_affectnet(scan: Callable[..., Scan], separator: str) -> None:
    rows = [f"{name},{label},{cell(TRUTH[name], separator)}" for name, label in zip(TRUTH, "074", strict=True)]
    labels = "\n".join(["subDirectory_filePath,expression,facial_landmarks", *rows])
    columns = {"image": "subDirectory_filePath", "label": "expression"}
    label_map = {0: "neutral", 7: "contempt", 4: "fear"}
    found = scan({"column": "facial_landmarks"}, labels, columns=columns, label_map=label_map)
    expect(found)
    assert not any("points" in note for note in found.notes)


def test_a_column_without_header_is_a_position(scan: Callable[..., Scan]) -> None:
    labels = "\n".join(f"{name},fear,{cell(TRUTH[name])}" for name in TRUTH)
    expect(scan({"column": 2}, labels, header=False, columns={"image": 0, "label": 1}))


@pytest.mark.parametrize(("style", "order"), [("{}{}", "xyxy"), ("{}_{}", "xxyy"), ("{}{}", "xxyy")])
def test_points_come_from_a_table_by_the_names_of_its_columns(
    scan: Callable[..., Scan], tmp_path: Path, style: str, order: str
) -> None:
    write_table(tmp_path / "points.csv", style, order, confidence="0.9")
    expect(scan({"file": "points.csv"}))


def test_names_may_count_from_1_which_is_said(scan: Callable[..., Scan], tmp_path: Path) -> None:
    rows = [",".join([name, *map(str, points.ravel().tolist())]) for name, points in TRUTH.items()]
    (tmp_path / "points.csv").write_text("\n".join([f"id,{_columns(68, 1)}", *rows]))
    found = scan({"file": "points.csv"})
    expect(found)
    assert any("points.csv counts its points from 1; if it counts pixels from 1" in note for note in found.notes)


def test_a_row_of_empty_cells_or_nan_is_a_face_without_points(scan: Callable[..., Scan], tmp_path: Path) -> None:
    rows = [",".join(["a.jpg", *map(str, TRUTH["a.jpg"].ravel().tolist())]), "b.jpg" + 136 * ","]
    (tmp_path / "points.csv").write_text("\n".join([f"id,{_columns(68)}", *rows]))
    points = np.stack([TRUTH["a.jpg"], np.full((68, 2), np.nan)])
    np.savez(tmp_path / "points.npz", id=np.array(["a.jpg", "b.jpg"]), points=points)
    for name in ("points.csv", "points.npz"):
        found = scan({"file": name})
        expect(found, "a")
        assert found.rejects == ()
        assert f"1 of 3 faces have points in {name}" in found.notes


@pytest.mark.parametrize("kind", ["U", "S"])
def test_points_come_from_arrays(scan: Callable[..., Scan], tmp_path: Path, kind: str) -> None:
    ids = np.array(ORDER[::-1], kind)  # the manifest's ids, in another order
    np.savez(tmp_path / "points.npz", id=ids, points=np.stack([TRUTH[id_[7:]] for id_ in ORDER[::-1]]))
    expect(scan({"file": "points.npz", "offset": 0}), offset=0.0)


def test_the_offset_brings_other_conventions_to_pixel_edges(scan: Callable[..., Scan], tmp_path: Path) -> None:
    write_table(tmp_path / "points.csv", "{}{}", "xyxy")
    expect(scan({"file": "points.csv", "offset": -0.5}), offset=-0.5)


def test_several_faces_of_a_picture_have_their_own_points(scan: Callable[..., Scan], tmp_path: Path) -> None:
    labels = "image,label,face\na.jpg,fear,0\na.jpg,anger,1\n"
    points = np.stack([TRUTH["a.jpg"], TRUTH["b.jpg"]])
    np.savez(tmp_path / "points.npz", id=np.array(["a.jpg#0", "a.jpg#1"]), points=points)
    found = points_of(scan({"file": "points.npz"}, labels, columns={"face": "face"}))
    assert sorted(found) == ["images/a.jpg#0", "images/a.jpg#1"]
    np.testing.assert_allclose(found["images/a.jpg#1"], TRUTH["b.jpg"] + 0.5, atol=1e-4)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("1;2;3", "3 numbers instead of 136"),
        (cell(TRUTH["b.jpg"]).replace("1", "x"), "not all of the points are numbers"),
        (cell(np.full((68, 2), np.nan)), "not all numbers of the points are finite"),
        (
            cell(np.ones((49, 2))),
            "49 points (iBUG's without the jaw and the inner corners of the mouth) instead of iBUG's 68",
        ),
        (cell(np.ones((98, 2))), "98 points (as WFLW has) instead of iBUG's 68"),
        (cell(np.ones((5, 2))), "5 points (the eyes, the nose and the corners of the mouth) instead of iBUG's 68"),
        (cell(np.ones((68, 3))), "204 numbers instead of 136: x, y and z of each point? leave z out"),
    ],
    ids=["few", "text", "nan", "49", "98", "5", "3-D"],
)
def test_bad_points_are_rejects_and_the_face_stays(scan: Callable[..., Scan], bad: str, why: str) -> None:
    labels = f"image,label,lm\na.jpg,fear,{cell(TRUTH['a.jpg'])}\nb.jpg,fear,{bad}\nc.jpg,fear,\n"
    found = scan({"column": "lm"}, labels)
    assert len(found.records) == 3
    expect(found, "a")
    notes = [note for note in found.notes if "points" in note]
    assert notes == ["2 of 3 faces have points in labels.csv, column lm"]
    assert found.rejects == (Reject("images/b.jpg", Reason.BAD_POINTS, why),)


def test_rows_of_strangers_and_contradicting_rows_are_counted(scan: Callable[..., Scan], tmp_path: Path) -> None:
    ids = np.array(["a.jpg", "b.jpg", "b.jpg", "c.jpg", "c.jpg", "z.jpg"])
    rows = np.stack([TRUTH[name] for name in ("a.jpg", "b.jpg", "b.jpg", "c.jpg", "a.jpg", "a.jpg")])
    np.savez(tmp_path / "points.npz", id=ids, points=rows)
    found = scan({"file": "points.npz"})
    expect(found, "ab")
    assert found.rejects == (Reject("images/c.jpg", Reason.BAD_POINTS, "several rows with other points"),)
    assert "1 ids of points.npz are no picture of the set, such as z.jpg" in found.notes


def _columns(count: int, first: int = 0) -> str:
    return ",".join(f"{axis}{first + point}" for point in range(count) for axis in "xy")


# OpenFace's names of points in space, in millimetres; those in the picture are x_0, y_0, ...
_THREE_D = ",".join(f"{axis}_{point}" for point in range(68) for axis in "XYZ")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("points.csv", None, r"points\.csv: No such file or directory \(key points.file\)"),
        ("points.csv", b"name,x0,y0\n", r"points\.csv: no column 'id' \(key points.id\)"),
        ("points.csv", b"id,x0,y0\n", r"points\.csv: lacks columns x0, y0, .*\(key points.file\)"),
        ("points.csv", f"id,{_THREE_D}\n".encode(), r"points\.csv: lacks columns x0, y0, .*\(key points.file\)"),
        ("points.csv", b"id,\xff\xfe\n", r"points\.csv: not utf-8 text"),
        ("points.npz", None, r"points\.npz: No such file"),
        ("points.npz", b"PK nonsense", r"points\.npz: no npz file of plain arrays"),
        ("points.npz", {"id": np.array(["a.jpg"])}, "needs the arrays id and points"),
        ("points.npz", {"id": np.array(["a.jpg"]), "points": np.zeros((1, 5, 2))}, r"not .*\(1, 5, 2\)"),
        (
            "points.npz",
            {"id": np.array(["a.jpg"]), "points": np.zeros((1, 98, 2))},
            r"98 points \(as WFLW has\) instead",
        ),
        ("points.csv", f"id,{_columns(98)}\n".encode(), r"points\.csv: 98 points \(as WFLW has\) instead of iBUG's 68"),
        ("points.csv", f"id,{_columns(49)}\n".encode(), r"lacks columns x0.*; 49 points \(iBUG's without the jaw"),
        ("points.csv", f"id,{_columns(51, 1)}\n".encode(), r"lacks columns x0.*; 51 points \(iBUG's without the jaw\)"),
        ("points.npz", {"id": np.array([3]), "points": np.zeros((1, 68, 2))}, r"id must be \(N,\) text"),
        ("points.npz", {"id": np.array(["z"]), "points": np.ones((1, 68, 2))}, "'z' is no picture of the label file"),
        ("points.npz", {"id": np.array(["a", None]), "points": np.ones((2, 68, 2))}, "no npz file of plain arrays"),
    ],
)
def test_an_unusable_file_is_one_line(
    scan: Callable[..., Scan], tmp_path: Path, name: str, content: object, message: str
) -> None:
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif isinstance(content, dict):
        np.savez(tmp_path / name, **content)
    with pytest.raises(DataError, match=message) as caught:
        scan({"file": name})
    assert "\n" not in str(caught.value)


def test_a_column_without_any_points_is_one_line(scan: Callable[..., Scan]) -> None:
    labels = "image,label,lm\na.jpg,fear,\nb.jpg,happy,\n"
    with pytest.raises(
        DataError, match=r"labels.csv, column lm: no points of the set's faces \(key points\); it is empty"
    ):
        scan({"column": "lm"}, labels)
    with pytest.raises(DataError, match="no column 'lm'"):
        scan({"column": "lm"})


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({}, "points.file: needs either column or file"),
        ({"column": "lm", "file": "x.csv"}, "points.file: column and file exclude each other"),
        ({"file": "../x.csv"}, r"points\.file: must be a path below root"),
        ({"file": "~/x.csv"}, r"points\.file: must be a path below root"),
        ({"file": "x.txt"}, r"points\.file: must be a \.csv or an \.npz file"),
        ({"file": "x.csv", "offset": 3}, r"points\.offset"),
        ({"file": "x.csv", "ofset": 0}, r"points\.ofset"),
    ],
)
def test_wrong_keys_are_named(tmp_path: Path, points: dict[str, object], message: str) -> None:
    values = {"adapter": "csv", "root": tmp_path, "labels": "labels.csv", "points": points}
    with pytest.raises(ConfigError, match=message):
        validate(CsvConfig, values, "datasets.x", tmp_path / "params.yaml")
    with pytest.raises(ValidationError):
        CsvConfig.model_validate(values)


def test_a_cell_may_be_padded() -> None:
    points = parse_points(f"  {cell(TRUTH['a.jpg'], '; ')} ; ")
    np.testing.assert_allclose(points, TRUTH["a.jpg"])


def test_provided_points_reach_the_crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a label file with points to ``landmarks.h5``, without a landmark model."""
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    raw, data = tmp_path / "raw", tmp_path / "data"
    generate(DemoConfig(identities=2, images=3), raw)
    truth = Store.open(raw / "truth.h5", "truth")
    by_id = dict(zip(truth.ids, truth["points"], strict=True))
    with (raw / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    shutil.move(raw / "labels.csv", raw / "old.csv")
    with (raw / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "facial_landmarks"])
        for row in rows[1:]:
            writer.writerow([row["path"], row["label"], cell(by_id[row["path"]] - 0.5)])
        writer.writerow([rows[0]["path"], rows[0]["label"], ""])
    values = {
        "adapter": "csv",
        "root": raw,
        "labels": "labels.csv",
        "columns": {"image": "path"},
        "points": {"column": "facial_landmarks"},
    }
    ingest_dataset("mine", CsvConfig.model_validate(values), data)
    align_dataset(AlignConfig(), data, raw)
    extract_dataset(LandmarksConfig(extractor="provided", max_reject_fraction=0.5), data)
    faces, store = Store.open(data / "faces.h5", "faces"), Store.open(data / "landmarks.h5", "landmarks")
    expected = apply_matrix(faces["matrix"], np.stack([by_id[id_] for id_ in faces.ids]))
    missing = [id_ == rows[0]["path"] for id_ in store.ids]
    assert np.isnan(store["points"][missing]).all()
    np.testing.assert_allclose(store["points"][~np.array(missing)], expected[~np.array(missing)], atol=1e-3)

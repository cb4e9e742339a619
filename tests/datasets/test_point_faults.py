"""Points that are no face of their picture: each usual mix-up is named, and photographs' own points pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_au.datasets import survey_dataset
from fer_au.datasets.csv_labels import CsvConfig
from fer_au.datasets.point_faults import find_faults
from fer_au.datasets.stage import ingest_dataset
from fer_au.demo.asset import load_asset
from fer_au.demo.landmarks68 import landmark_points, load_landmarks
from fer_au.errors import DataError
from fer_au.ibug68 import MEAN_FACE, MIRROR
from fer_au.rejects import Reason, read_rejects
from fer_au.stores import Store

Array = np.ndarray
WIDTH, HEIGHT = 120, 160


def faces(count: int = 12, width: int = WIDTH, height: int = HEIGHT) -> Array:
    """Draw faces of several sizes, places and leanings, with noise, inside a picture."""
    rng = np.random.default_rng(0)
    turn = np.deg2rad(rng.uniform(-40, 40, count))
    size = rng.uniform(0.25, 0.4, count) * width
    plane = (MEAN_FACE[:, 0] + 1j * (MEAN_FACE[:, 1] - 0.45)) * (size * np.exp(1j * turn))[:, None]
    found = np.stack([plane.real, plane.imag], axis=2) + rng.normal(0, 0.02, (count, 68, 2)) * size[:, None, None]
    return found + np.array([width, height]) * rng.uniform(0.42, 0.58, (count, 1, 2))


def planar(points: Array) -> Array:
    return np.concatenate([points[..., 0], points[..., 1]], axis=1).reshape(points.shape)


def judge(points: Array, offset: float = 0.0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> list[str]:
    return find_faults(points + offset, np.tile(np.array(size, float), (len(points), 1)), None, offset)


SIZE = np.array([WIDTH, HEIGHT])
MIXUPS: dict[str, tuple[Callable[[Array], Array], str]] = {
    "unit": (lambda p: p / SIZE, r"points look normalised to \[0, 1\]; multiply"),
    "signed": (lambda p: 2 * p / SIZE - 1, r"points look normalised to \[-1, 1\]; add 1"),
    "planar": (planar, "points look like all x and then all y; write"),
    "yx": (lambda p: p[..., ::-1], "points look like y before x; swap"),
    "planar yx": (lambda p: planar(p[..., ::-1]), "points look like all y and then all x; write"),
    "planar unit": (lambda p: planar(p / SIZE), r"points look normalised to \[0, 1\] and like all x and then all y; "),
    "unit yx": (lambda p: (p / SIZE)[..., ::-1], r"points look normalised to \[0, 1\] and like y before x; "),
    "mirrored picture": (lambda p: p * [-1, 1] + [WIDTH, 0], "points look mirrored; "),
    "swapped sides": (lambda p: p[:, MIRROR], "points look mirrored; "),
    "y upwards": (lambda p: p * [1, -1] + [0, HEIGHT], "points look like y counted from the picture's bottom; "),
    "turned by EXIF": (lambda p: SIZE - p, "points look upside down; "),
    "larger": (
        lambda p: 4 * p,
        r"points lie outside the picture; x from .* to .*, y .* in 120x160 pixels: .* scale them",
    ),
    "tiny": (lambda p: p / 40 + 20, "eyes less than 4 pixels apart; points 36 and 45 are "),
    "one place": (lambda p: 0 * p + 20, "eyes less than 4 pixels apart; points 36 and 45 are 0 pixels apart"),
    "other order": (
        lambda p: p[:, np.random.default_rng(1).permutation(68)],
        "points are no face in the order of iBUG",
    ),
}


@pytest.mark.parametrize("offset", [0.0, 0.5, -0.5])
@pytest.mark.parametrize("name", MIXUPS)
def test_a_mixup_is_named_with_its_remedy(name: str, offset: float) -> None:
    change, expected = MIXUPS[name]
    found = judge(change(faces()), offset)
    assert [text for text in found if not text] == []
    # The cause of a face may be ambiguous (a leaning face mirrored is one with swapped axes); of a set it is not.
    causes = [text.partition(";")[0] for text in found]
    most = max(causes, key=causes.count)
    assert causes.count(most) >= 9, causes
    match = next(text for text in found if text.startswith(most))
    assert re.match(expected, match), match


@pytest.mark.parametrize("clockwise", [True, False])
def test_points_of_a_phone_s_picture_before_its_turn_are_named(clockwise: bool) -> None:
    """The picture lies on its side in the file and EXIF sets it upright; the points were measured before."""
    width, height = 120, 400
    points = faces(width=width, height=160) + np.array([0, 210 if clockwise else 0])
    x, y = points[..., 0], points[..., 1]
    before = np.stack([y, width - x] if clockwise else [height - y, x], axis=2)
    found = judge(before, size=(width, height))
    assert sum(text.startswith("points look lying on the side; pictures are set upright") for text in found) > 9, found


def test_percent_of_a_small_picture_lie_outside_of_it() -> None:
    points = faces(width=48, height=48)
    found = judge(points / 48 * 100, size=(48, 48))
    assert sum(text.startswith("points look like percent of the picture, or pixels of another") for text in found) > 9


def test_whole_faces_pass_even_where_a_tight_crop_cuts_the_chin() -> None:
    assert set(judge(faces())) == {""}
    cut = faces()
    cut[..., 1] += HEIGHT - cut[..., 1].max(axis=1)[:, None] + 0.25 * HEIGHT
    assert set(judge(cut)) == {""}


@pytest.mark.parametrize("pitch", [-30, 0, 30])
@pytest.mark.parametrize("yaw", [-75, -60, -30, 0, 30, 60, 75])
def test_a_turned_head_passes_up_to_its_profile(yaw: int, pitch: int) -> None:
    assert judge(turned_head(yaw, pitch)) == [""]


@pytest.mark.parametrize("pitch", [-30, 0, 30])
@pytest.mark.parametrize("yaw", [-90, 90])
def test_a_full_profile_is_named(yaw: int, pitch: int) -> None:
    points = turned_head(yaw, pitch)
    (text,) = judge(points)
    apart = np.linalg.norm(points[0, 36] - points[0, 45])
    expected = "a full profile, whose eyes lie over each other; points 36 and 45 are "
    assert text.startswith(expected) if apart < 4 else text == ""


def turned_head(yaw: float, pitch: float) -> Array:
    """Points (1, 68, 2) of the demo's head in space."""
    head = landmark_points(load_landmarks(), load_asset().mean).astype(float)
    head -= head.mean(0)
    a, b = np.deg2rad([yaw, pitch])
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    seen = head @ (nod @ turn).T * [1, -1, 1]
    return (seen[:, :2] / 0.2 * WIDTH + SIZE / 2)[None]


def test_points_beside_the_face_of_a_box_are_another_face_s() -> None:
    points, sizes = faces(3), np.tile([[1000.0, 1000.0]], (3, 1))
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    boxes[1] += 300
    boxes[2] = np.nan
    first, second, third = find_faults(points, sizes, boxes)
    assert (first, third) == ("", "")
    assert second.startswith("points lie beside the face's box; x from ")


@pytest.fixture
def ingest(tmp_path: Path, add: Callable[..., Path]) -> Callable[[Array], Path]:
    """Ingest a set of pictures with these points in a column; return the folder of the results."""

    def run(points: Array) -> Path:
        lines = ["image,label,lm"]
        for number, face in enumerate(points):
            add(tmp_path / f"raw/{number}.jpg", width=WIDTH, height=HEIGHT)
            label = ("fear", "happy", "anger")[number % 3]
            lines.append(f"{number}.jpg,{label},{';'.join(map(str, face.ravel().tolist()))}")
        (tmp_path / "raw/labels.csv").write_text("\n".join(lines))
        values = {"adapter": "csv", "root": tmp_path / "raw", "labels": "labels.csv", "points": {"column": "lm"}}
        ingest_dataset("mine", CsvConfig.model_validate(values), tmp_path / "data")
        return tmp_path / "data"

    return run


def test_one_face_at_fault_loses_its_points_and_no_more(ingest: Callable[[Array], Path]) -> None:
    points = faces()
    points[5] /= SIZE
    data = ingest(points)
    annotations = Store.open(data / "annotations.h5", "annotations")
    assert len(annotations) == 12
    lost = np.isnan(annotations["points"]).all(axis=(1, 2))
    assert [id_ for id_, bad in zip(annotations.ids, lost, strict=True) if bad] == ["5.jpg"]
    (row,) = read_rejects(data / "rejects/ingest.csv")
    assert (row.id, row.reason) == ("5.jpg", Reason.BAD_POINTS)
    assert row.detail.startswith("points look normalised to [0, 1]; multiply x by the picture's width")


def test_most_faces_at_fault_are_one_line_with_cause_and_remedy(
    ingest: Callable[[Array], Path], tmp_path: Path
) -> None:
    points = faces()
    points[:7] = points[:7, :, ::-1]
    with pytest.raises(
        DataError, match=r"labels\.csv, column lm: \d+ of 12 faces have unusable points.*y before x; swap"
    ):
        ingest(points)
    assert {row.reason for row in read_rejects(tmp_path / "data/rejects/ingest.csv")} == {Reason.BAD_POINTS}


def test_points_that_no_face_can_read_are_one_line(tmp_path: Path, add: Callable[..., Path]) -> None:
    for name in "abc":
        add(tmp_path / f"{name}.jpg")
    (tmp_path / "labels.csv").write_text("image,label\na.jpg,fear\nb.jpg,happy\nc.jpg,anger\n")
    values = {"adapter": "csv", "root": tmp_path, "labels": "labels.csv", "points": {"column": "label"}}
    survey = survey_dataset("mine", config := CsvConfig.model_validate(values))
    assert len(survey.rows) == 3
    expected = r"column label: 3 of 3 faces have unusable points .*1 numbers instead of 136; such as a\.jpg; see t"
    with pytest.raises(DataError, match=expected):
        survey.check_losses("mine", config, Path("t"))

"""Adapter ``disfa``: frames by number, expressions by action units, intensities that reach the cue ``au_active``."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from fer_au.clip_decoding import read_frames, upright_pixels
from fer_au.config.data import AlignConfig, HeatmapsConfig
from fer_au.cues import render_dataset
from fer_au.datasets import ingest_dataset, read_manifest
from fer_au.datasets.base import examine_dataset
from fer_au.datasets.disfa import PARTS, UNITS, name_expressions, read_intensities
from fer_au.datasets.recognition import fitting_adapters
from fer_au.decoding import decode_image
from fer_au.errors import DataError
from fer_au.faces import align_dataset
from fer_au.ibug68 import MEAN_FACE
from fer_au.shards.pictures import find_kept
from fer_au.stores import LandmarkStatus, Store, write_store
from tests.datasets.miniatures.disfa import PERSONS, SEEN, write, write_person
from tests.datasets.miniatures.noise import write_noise
from tests.datasets.official import check_outline, reasons, scan, survey
from tests.training.guided import build, still

VIDEO = "Videos_LeftCamera/LeftVideo{}_comp.avi"
SHOWN = {
    "neutral": [1, 2], "happiness": [3, 4], "surprise": [5, 6], "fear": [7], "disgust": [8], "sadness": [9],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def disfa(tmp_path: Path) -> Path:
    write(tmp_path / "DISFA")
    return tmp_path / "DISFA"


def test_frames_get_the_expression_of_their_action_units(disfa: Path) -> None:
    found = survey("disfa", disfa, every=1)
    shown = defaultdict(list)
    for row in found.rows:
        if row.subject == "SN003":
            shown[row.label].append(int(Path(row.path).stem))
    assert shown == SHOWN
    assert {row.path.rpartition("/")[0] for row in found.rows} == {VIDEO.format(person) for person in PERSONS}
    assert reasons(found) == dict.fromkeys(PERSONS, "unlabelled")
    assert found.rejects[0].detail == "3 of 12 frames that were looked at show no expression, or several"
    check_outline("disfa", disfa, every=1)
    assert [one.path[-9:-4] for one in scan("disfa", disfa, every=3).records if one.subject == "SN001"] == [
        "00001", "00004", "00007"
    ]  # fmt: skip


def test_a_frame_is_that_of_its_number(disfa: Path) -> None:
    found = {row.path: row.sha256 for row in survey("disfa", disfa, every=1).rows}
    frames = [upright_pixels(frame) for _, frame in read_frames(disfa / VIDEO.format("SN001"))]
    for number in (1, 5, 9):
        kept = find_kept(found[f"{VIDEO.format('SN001')}/{number:05d}.png"])
        assert kept is not None
        assert np.array_equal(decode_image(kept), frames[number - 1])


def test_persons_are_divided_as_published(disfa: Path) -> None:
    assert sorted(name for part in PARTS for name in part) == sorted({name for part in PARTS for name in part})
    assert [len(part) for part in PARTS] == [9, 9, 9]
    folds = {one.subject: one.fold for one in scan("disfa", disfa).records}
    assert folds == {"SN001": "0", "SN002": "0", "SN003": "2", "SN011": "1", "SN013": "1"}
    folds = {one.subject: one.fold for one in scan("disfa", disfa, folds=2).records}
    assert folds == {"SN001": "0", "SN002": "1", "SN003": "0", "SN011": "1", "SN013": "0"}
    assert {one.fold for one in scan("disfa", disfa, folds=0).records} == {None}
    write_person(disfa, "SN099")
    with pytest.raises(DataError, match="the 3 published folds don't have SN099; say another number, or 0 for none"):
        scan("disfa", disfa)


def test_a_rule_that_is_unsure_names_nothing() -> None:
    def named(present: int = 2, **units: float) -> str:
        row = [units.get(f"au{unit}", 0.0) for unit in UNITS]
        return name_expressions(np.array([row]), present)[0]

    assert named() == "neutral"
    assert named(au12=5) == named(au1=1) == named(au17=np.nan) == ""
    assert named(au6=2, au12=2) == named(au6=2, au12=2, au17=np.nan) == "happiness"
    assert named(3, au6=2, au12=2) == ""
    assert named(au6=np.nan, au12=2) == ""
    assert named(au6=2, au12=2, au9=2) == ""
    assert named(au5=2, au26=2) == "surprise"
    assert named(au5=2, au20=2) == named(au1=2, au2=2, au4=2, au5=2, au26=5) == "fear"
    assert named(au6=2, au15=2) == "sadness"


@pytest.mark.parametrize(
    ("data", "values", "lines"),
    [
        (b"1,0\n2,5\n", {1: 0, 2: 5}, []),
        (b"\xef\xbb\xbf1,0\r\n2,5\r\n\r\n", {1: 0, 2: 5}, []),
        (b"1 0\n2\t5\n", {1: 0, 2: 5}, []),
        (b"1.0,2.5\n", {1: 2.5}, []),
        (b"1,0\n2,6\n3,-1\n0,1\n5,2\n", {1: 0, 5: 2}, [2, 3, 4]),
        (b"1,0\nframe,au\n3\n4,1,2\n5,x\n", {1: 0}, [2, 3, 4, 5]),
        (b"1,0\n1,0\n2,1\n2,3\n", {1: 0, 2: np.nan}, [4]),
        (b"", {}, []),
    ],
)
def test_lines_are_read_whatever_they_hold(data: bytes, values: dict[int, float], lines: list[int]) -> None:
    found, faults = read_intensities(data)
    assert found.keys() == values.keys()
    np.testing.assert_equal([found[key] for key in values], list(values.values()))
    assert [line for line, _ in faults] == lines


def test_faults_of_files_and_persons_are_rows(disfa: Path) -> None:
    labels = disfa / "ActionUnit_Labels"
    (labels / "SN001/SN001_au9.txt").unlink()
    (labels / "SN001/SN001_au10.txt").write_text("1,0\n")
    file = labels / "SN002/SN002_au12.txt"
    file.write_text(file.read_text().replace("3,4", "3,9"))
    shutil.rmtree(labels / "SN003")
    (disfa / VIDEO.format("SN011")).unlink()
    video = disfa / VIDEO.format("SN013")
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    found = survey("disfa", disfa, every=1, max_reject_fraction=0.9)
    told = reasons(found)
    assert told.pop("ActionUnit_Labels/SN001/SN001_au10.txt") == "bad_row"
    assert told.pop("ActionUnit_Labels/SN002/SN002_au12.txt:3") == "bad_row"
    assert told.pop("SN003") == "unlabelled"
    assert told.pop("SN011") == "missing_file"
    assert {told.pop(name) for name in ("SN001", "SN002", "SN013")} == {"unlabelled"}
    lost = sorted(told)
    assert lost
    assert all(id_.startswith(VIDEO.format("SN013")) for id_ in lost)
    assert {told[id_] for id_ in lost} == {"missing_file"}  # too short to miss half a second
    labels_of = defaultdict(set)
    for row in found.rows:
        labels_of[row.subject].add(row.label)
    assert labels_of["SN001"] == {"happiness", "surprise", "fear", "sadness"}  # without AU9, nothing is known to rest
    assert "happiness" in labels_of["SN002"]
    assert found.notes[0].startswith("passed over, 5 of the other camera: Videos_RightCamera/RightVideoSN001_comp.avi")
    assert "DISFA has 27 persons; here are 3 with frames and labels" in found.notes


@pytest.mark.parametrize("first", [0, 1])
def test_extracted_frames_count_as_videos(first: int, tmp_path: Path) -> None:
    root = tmp_path / "DISFA"
    for person in PERSONS[:2]:
        write_person(root, person)
        for camera in ("Left", "Right"):
            for number in range(len(SEEN)):
                write_noise(root / f"Images/{camera}Video{person}_comp/{person}_{number + first:04d}.png")
    found = survey("disfa", root, every=1)
    shown = defaultdict(list)
    for row in found.rows:
        assert "/LeftVideo" in row.path
        if row.subject == "SN001":
            shown[row.label].append(int(Path(row.path).stem[-4:]) + 1 - first)
    assert shown == SHOWN
    (root / f"Images/LeftVideoSN001_comp/SN001_{first + 2:04d}.png").unlink()
    assert reasons(survey("disfa", root, every=1))["SN001/3"] == "missing_file"


def test_half_of_the_set_is_one_line(disfa: Path) -> None:
    assert fitting_adapters(disfa) == ["disfa"]
    shutil.rmtree(disfa / "Videos_LeftCamera")
    with pytest.raises(DataError, match="neither a video nor a frame of camera left"):
        scan("disfa", disfa)
    (disfa / "ActionUnit_Labels").rename(disfa / "labels")
    with pytest.raises(
        DataError, match=r"no folder ActionUnit_Labels.*found: Landmark_Points, Videos_RightCamera, label"
    ):
        scan("disfa", disfa)


def test_intensities_reach_the_cue_of_active_units(disfa: Path, tmp_path: Path) -> None:
    """Ingest, align, landmarks, and a batch of training: each face is drawn by its own action units."""
    config, faults = examine_dataset("x", {"adapter": "disfa", "root": str(disfa), "every": 1, "folds": 0})
    assert config is not None
    assert not faults
    data = tmp_path / "data/disfa"
    ingest_dataset("disfa", config, data)
    rows = {row.id: row for row in read_manifest(data / "manifest.csv")}
    store = Store.open(data / "annotations.h5", "annotations")
    assert store.attributes["au_names"] == ",".join(f"AU{unit}" for unit in UNITS)
    known = dict(zip(store.ids, np.asarray(store["au"]), strict=True))
    for id_ in rows:
        seen = SEEN[int(Path(id_).stem) - 1]
        np.testing.assert_allclose(known[id_], [seen.get(unit, 0) / 5 for unit in UNITS])
    align_dataset(AlignConfig(detector="whole-image", template="none", size=64), data, disfa)
    faces = Store.open(data / "faces.h5", "faces")
    landmarks = {
        "id": faces["id"],
        "points": np.tile((MEAN_FACE * 20 + [32, 24]).astype(np.float32), (len(rows), 1, 1)),
        "score": np.ones(len(rows), np.float32),
        "status": np.full(len(rows), LandmarkStatus.OK, np.uint8),
    }
    write_store(data / "landmarks.h5", "landmarks", landmarks, fingerprint="a" * 64, attributes={"image_size": 64})
    render_dataset(HeatmapsConfig(), data)
    guidance, _, trained = build(data, {"cue": "au_active"})
    batch = trained.batch(range(len(trained)))
    ((maps, valid, _),) = guidance.targets(batch, still(len(batch)))
    assert {len(SEEN[int(Path(id_).stem) - 1]) for id_ in batch.ids} == {0, 2, 3, 4, 5}
    for id_, face, drawn in zip(batch.ids, maps, valid, strict=True):
        seen = SEEN[int(Path(id_).stem) - 1]
        assert bool(drawn) == bool(seen)
        assert float(face.max()) == pytest.approx(max(seen.values(), default=0) / 5, abs=0.05)


def test_a_missing_action_unit_is_named_as_the_cause(disfa: Path) -> None:
    folder = disfa / "ActionUnit_Labels/SN001"
    (folder / "SN001_au6.txt").unlink()
    (folder / "SN001_au12.txt").write_text("")
    told = [one.detail for one in scan("disfa", disfa).rejects if one.id == "SN001"]
    assert told[0] == "no intensities of AU6, AU12"
    assert "show no expression" in told[1]


def test_a_camera_behind_a_link_is_told(disfa: Path, tmp_path: Path) -> None:
    (disfa / "Videos_LeftCamera").rename(tmp_path / "elsewhere")
    (disfa / "Videos_LeftCamera").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="Videos_LeftCamera: a link to a folder; `follow_links: true`"):
        scan("disfa", disfa)
    assert scan("disfa", disfa, follow_links=True).records

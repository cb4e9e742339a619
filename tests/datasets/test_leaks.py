"""Photographs encoded anew, scaled and cut; persons on both sides; two labels; and what ``on_leak`` makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fer_au.datasets import ingest_dataset, read_manifest
from fer_au.datasets.base import examine_dataset
from fer_au.datasets.copies import copy_lines
from fer_au.datasets.leaks import Group, LeakRow, Leaks, drop_leaks, find_leaks, read_leaks, write_leaks
from fer_au.datasets.looks import AS_THEY_ARE, EITHER, LENGTH, MIRRORED, describe_look, find_alike
from fer_au.datasets.manifest import ManifestRow
from fer_au.datasets.photographs import SAME, SAME_DETAIL, Photographs, compare, find_photographs, shrink
from fer_au.errors import DataError
from fer_au.rejects import read_rejects
from tests.datasets.official import survey
from tests.datasets.test_copies import row

Image = NDArray[np.uint8]


def photograph(seed: int, side: int = 96) -> Image:
    """Noise of several scales, as smooth and as rough as a photograph."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(random.normal(0, 60 / cells**0.5, (cells, cells, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
        for cells in (3, 6, 12, 24)
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def recode(image: Image, quality: int) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


COPIES: Mapping[str, Callable[[Image], Image]] = {
    "quality": lambda image: recode(image, 40),
    "smaller": lambda image: cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA),
    "larger": lambda image: recode(cv2.resize(image, (150, 150)), 80),
    "grey": lambda image: cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB),
    "darker": lambda image: (image * 0.7 + 10).astype(np.uint8),
    "cut": lambda image: image[2:-3, 3:-2],
}


def save(path: Path, image: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.mark.parametrize("others", [0, 60])
@pytest.mark.parametrize("how", COPIES)
def test_a_copy_looks_alike_and_is_one_photograph(how: str, others: int) -> None:
    pictures = [photograph(1), COPIES[how](photograph(1)), *(photograph(seed) for seed in range(2, 2 + others))]
    pairs, left = find_alike([describe_look(image) for image in pictures])
    assert [0, 1, AS_THEY_ARE] in pairs.tolist()
    assert left == 0
    for first, second, _ in pairs.tolist():
        match = compare(shrink(pictures[first]), shrink(pictures[second]))
        assert match.is_one_photograph == ((first, second) == (0, 1))


def test_two_dark_heads_before_bright_walls_are_two_photographs() -> None:
    rows, columns = np.mgrid[:96, :96]
    head = (rows - 52) ** 2 / 42**2 + (columns - 48) ** 2 / 30**2 < 1
    pictures = [
        np.where(head[..., None], photograph(seed) // 3, 200 + photograph(seed) // 10).astype(np.uint8)
        for seed in (1, 2)
    ]
    two, same = compare(*map(shrink, pictures)), compare(shrink(pictures[0]), shrink(recode(pictures[0], 40)))
    assert two.whole >= SAME > 0 > two.detail - SAME_DETAIL
    assert not two.is_one_photograph
    assert same.is_one_photograph


@pytest.mark.parametrize("others", [0, 60])
@pytest.mark.parametrize("how", COPIES)
def test_a_mirrored_copy_looks_alike_and_is_one_photograph(how: str, others: int, tmp_path: Path) -> None:
    pictures = [photograph(1), COPIES[how](photograph(1))[:, ::-1], *(photograph(s) for s in range(2, 2 + others))]
    pairs, _ = find_alike([describe_look(np.ascontiguousarray(image)) for image in pictures])
    assert [0, 1, MIRRORED] in pairs.tolist()
    files = {f"{number:02d}": tmp_path / f"{number}.png" for number in range(len(pictures))}
    for path, image in zip(files.values(), pictures, strict=True):
        save(path, image)
    found = find_photographs(
        {name: describe_look(cv2.imread(str(path))) for name, path in files.items()}, files.get, "x"
    )
    assert dict(found.groups) == {"00": "00", "01": "00"}
    assert found.turned == {"01"}
    assert found.likeness["01"] >= SAME


def test_a_picture_that_is_its_own_mirror_image_is_compared_either_way(tmp_path: Path) -> None:
    half = photograph(4)[:, :48]
    whole = np.hstack([half, half[:, ::-1]])
    pairs, _ = find_alike([describe_look(whole), describe_look(recode(whole, 60))])
    assert pairs.tolist() == [[0, 1, EITHER]]
    files = {"a": tmp_path / "a.png", "b": tmp_path / "b.png"}
    save(files["a"], whole)
    save(files["b"], recode(whole, 60))
    found = find_photographs(
        {name: describe_look(cv2.imread(str(path))) for name, path in files.items()}, files.get, "x"
    )
    assert set(found.groups) == {"a", "b"}
    assert not found.turned


def test_a_mirrored_face_between_train_and_test_is_a_leak(tmp_path: Path) -> None:
    for number in range(4):
        for part in ("train", "test"):
            save(
                tmp_path / "raw" / part / ("happy", "sad")[number % 2] / f"{number}.png",
                photograph(number * 2 + (part == "test")),
            )
    save(tmp_path / "raw/train/sad/turned.jpg", np.ascontiguousarray(photograph(1)[:, ::-1]))
    found = survey("folder", tmp_path / "raw", valid_fraction=0.0)
    (group,) = found.leaks.groups
    assert (group.kind, group.problem) == ("mirrored", "between train and test; labels happiness and sadness")
    write_leaks(tmp_path / "leaks.csv", found.leaks)
    rows = read_leaks(tmp_path / "leaks.csv")
    assert [(one.kind, one.id) for one in rows] == [
        ("mirrored", "test/happy/0.png"),
        ("mirrored", "train/sad/turned.jpg"),
    ]
    assert all(float(one.likeness) >= SAME for one in rows)
    assert "1 picture of test is in train, too (same photograph, mirrored), such as" in "".join(
        copy_lines(found.leaks.groups)
    )
    dropped = survey("folder", tmp_path / "raw", valid_fraction=0.0, on_leak="drop-from-train")
    assert [(one.id, one.detail) for one in dropped.rejects] == [
        ("train/sad/turned.jpg", "same photograph, mirrored, as test/happy/0.png in test; on_leak dropped it")
    ]


def test_boxes_of_a_mirrored_picture_are_mirrored_as_well() -> None:
    photographs = Photographs({"m": "m", "n": "m"}, {"m": 0.99, "n": 0.99}, frozenset({"n"}))

    def face(place: str, sha256: str, left: float) -> ManifestRow:
        box = (left, 10.0, left + 20, 40.0)
        return ManifestRow(place, place, sha256, place.split("/")[0], None, "fear", None, 100, 50, box)  # type: ignore[arg-type]

    (group,) = find_leaks([face("test/1", "m", 10), face("train/2", "n", 70)], photographs)
    assert group.kind == "mirrored"
    assert not find_leaks([face("test/1", "m", 10), face("train/2", "n", 10)], photographs)


def test_flat_pictures_look_like_nothing() -> None:
    assert describe_look(np.full((40, 40, 3), 90, np.uint8)) == b""
    look = describe_look(photograph(3))
    assert len(look) == 2 * LENGTH
    pairs, _ = find_alike([b"", look, b"", b""])
    assert pairs.shape == (0, 3)


def test_what_all_pictures_share_makes_no_pair_alike() -> None:
    frame = photograph(7).astype(np.float32)
    faces = [np.clip(frame + 0.4 * (photograph(seed) - 128.0), 0, 255).astype(np.uint8) for seed in range(10, 410)]
    alone, _ = find_alike([describe_look(face) for face in faces[:2]])
    together, _ = find_alike([describe_look(face) for face in faces])
    assert len(alone) == 1
    assert len(together) < len(faces) ** 2 // 2 // 100


def test_blocks_of_the_comparison_miss_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [describe_look(photograph(seed % 20)) + b"" for seed in range(50)]
    whole, _ = find_alike(looks)
    monkeypatch.setattr("fer_au.datasets.looks._ROWS", 7)
    monkeypatch.setattr("fer_au.datasets.looks._COLUMNS", 11)
    parts, _ = find_alike(looks)
    assert np.array_equal(whole, parts)
    assert {(a, b) for a in range(50) for b in range(a + 1, 50) if a % 20 == b % 20} <= set(
        map(tuple, whole[:, :2].tolist())
    )


def test_too_many_pairs_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    image = photograph(1)
    found = find_photographs({str(n): describe_look(image) for n in range(4)}, lambda sha256: None, "x", most=2)
    assert found.left == 4
    assert found.notes == ["4 more pairs of pictures look alike; their pixels were not compared"]


def test_looks_alone_decide_nothing(tmp_path: Path) -> None:
    first, second = photograph(1), photograph(2)
    files = {"a": tmp_path / "a.png", "b": tmp_path / "b.png", "c": tmp_path / "c.png"}
    for name, image in zip(files, (first, second, recode(first, 50)), strict=True):
        save(files[name], image)
    same = describe_look(first)
    found = find_photographs(dict.fromkeys(files, same), files.get, "x")
    assert dict(found.groups) == {"a": "a", "c": "a"}
    assert found.likeness["a"] == found.likeness["c"] >= SAME
    files["c"].unlink()
    assert not find_photographs(dict.fromkeys(files, same), files.get, "x").groups


def test_groups_of_photographs_and_persons() -> None:
    photographs = Photographs({"n": "m", "m": "m"}, {"n": 0.97, "m": 0.97})

    def face(place: str, sha256: str, subject: str | None = None, **more: object) -> ManifestRow:
        split, label, _ = place.split("/")
        size = {"width": 9, "height": 9, "box": None, "fold": None, **more}
        return ManifestRow(id=place, path=place, sha256=sha256, split=split, label=label, subject=subject, **size)  # type: ignore[arg-type]

    rows = [
        face("test/fear/1", "m", "Ann"),
        face("train/anger/1", "n", "Ann"),
        face("train/fear/2", "x", "Bob"),
        face("valid/fear/3", "y", "Bob"),
        face("valid/fear/4", "z", "Cid"),
    ]
    photo, ann, bob = find_leaks(rows, photographs)
    assert (photo.kind, photo.problem) == ("same-photograph", "between train and test; labels fear and anger")
    assert (ann.kind, ann.problem) == ("same-person", "between train and test")
    assert (bob.kind, bob.problem) == ("same-person", "between train and valid")
    kept, rejects = drop_leaks(rows, (photo, ann, bob))
    assert [one.id for one in kept] == ["test/fear/1", "valid/fear/3", "valid/fear/4"]
    assert {one.id: one.detail for one in rejects} == {
        "train/anger/1": "same photograph as test/fear/1 in test; on_leak dropped it",
        "train/fear/2": "same person as valid/fear/3 in valid; on_leak dropped it",
    }
    assert find_leaks(kept, photographs) == ()


def test_of_folds_the_first_keeps_its_faces() -> None:
    rows = [row("train/fear/1", "a", fold="1"), row("train/fear/2", "a", fold="2"), row("train/fear/3", "b", fold="2")]
    (group,) = find_leaks(rows)
    assert group.problem == "between fold 1 and fold 2"
    kept, rejects = drop_leaks(rows, (group,))
    assert [one.id for one in kept] == ["train/fear/1", "train/fear/3"]
    assert rejects[0].detail == "same bytes as train/fear/1 in fold 1; on_leak dropped it"


def test_boxes_tell_the_faces_of_a_picture_apart() -> None:
    left, right, nearly = (0, 0, 4, 9), (5, 0, 9, 9), (0, 0, 5, 9)
    rows = [row("train/fear/1", "a", box=left), row("test/fear/2", "a", box=nearly), row("test/fear/3", "a", box=right)]
    (group,) = find_leaks(rows)
    assert {one.id for one in group.rows} == {"train/fear/1", "test/fear/2"}


def test_the_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [row("train/fear/=1", "a"), row("test/fear/2", "a"), row("valid/fear/3", "b"), row("valid/anger/4", "b")]
    groups = find_leaks(rows)
    write_leaks(tmp_path / "leaks.csv", Leaks(groups, dropped=frozenset({"train/fear/=1"})))
    found = read_leaks(tmp_path / "leaks.csv")
    assert [(one.group, one.id, one.dropped) for one in found] == [
        (1, "test/fear/2", False),
        (1, "train/fear/=1", True),
        (2, "valid/anger/4", False),
        (2, "valid/fear/3", False),
    ]
    assert found[2].problem == "within valid; labels fear and anger"
    (tmp_path / "leaks.csv").write_text("group,kind\n")
    with pytest.raises(DataError, match="not a table of leaks"):
        read_leaks(tmp_path / "leaks.csv")


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """Class folders in given splits: a copy in train of a test picture, encoded anew, and one of a valid picture."""
    root = tmp_path / "raw"
    for split, seeds in (("train", range(12)), ("valid", range(20, 24)), ("test", range(30, 36))):
        for seed in seeds:
            save(root / split / ("happy", "sad")[seed % 2] / f"P{seed}_1.png", photograph(seed))
    save(root / "train/happy/Q1_1.jpg", recode(photograph(30), 60))
    save(root / "train/sad/Q2_1.png", photograph(21))
    save(root / "test/sad/P5_2.png", photograph(77))  # a person of train
    return root


def ingest(root: Path, out: Path, **keys: object) -> list[LeakRow]:
    config, faults = examine_dataset("x", {"adapter": "folder", "root": str(root), **keys})
    assert config is not None
    assert not faults
    ingest_dataset("x", config, out)
    return read_leaks(out / "rejects/leaks.csv")


def test_ingest_reports(leaking: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ingest(leaking, tmp_path / "out", subject_pattern="^([A-Z][0-9]+)_")
    told = {(one.group, one.kind, one.id) for one in rows}
    assert told == {
        (1, "same-bytes", "train/sad/Q2_1.png"),
        (1, "same-bytes", "valid/sad/P21_1.png"),
        (2, "same-person", "test/sad/P5_2.png"),
        (2, "same-person", "train/sad/P5_1.png"),
        (3, "same-photograph", "test/happy/P30_1.png"),
        (3, "same-photograph", "train/happy/Q1_1.jpg"),
    }
    assert all(float(one.likeness) >= SAME for one in rows if one.kind == "same-photograph")
    assert len(read_manifest(tmp_path / "out/manifest.csv")) == 12 + 4 + 6 + 3
    said = capsys.readouterr().err
    assert "1 picture of test is in train, too (same photograph), such as test/happy/P30_1.png = train/happy/Q1" in said
    assert "1 picture of valid is in train, too (same bytes)" in said
    assert "1 person is in more than one split, such as P5 in train and test: " in said


def test_ingest_drops_from_train(leaking: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ingest(leaking, tmp_path / "out", subject_pattern="^([A-Z][0-9]+)_", on_leak="drop-from-train")
    gone = {"train/sad/Q2_1.png", "train/sad/P5_1.png", "train/happy/Q1_1.jpg"}
    assert {one.id for one in rows if one.dropped} == gone
    assert not gone & {one.id for one in read_manifest(tmp_path / "out/manifest.csv")}
    rejects = {one.id: one for one in read_rejects(tmp_path / "out/rejects/ingest.csv")}
    assert {id_: one.reason.value for id_, one in rejects.items()} == dict.fromkeys(gone, "leak")
    said = capsys.readouterr().err
    assert "rejected: 3 leak" in said
    assert "too (same" not in said


def test_ingest_fails_and_has_written_the_table(leaking: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        ingest(leaking, tmp_path / "out", on_leak="fail")
    assert str(caught.value) == (
        "ingest x: 2 groups of faces lie in two splits or folds (1 of the same bytes, 1 of the same photograph), such "
        f"as train/happy/Q1_1.jpg = test/happy/P30_1.png; on_leak is fail; see {tmp_path}/out/rejects/leaks.csv"
    )
    assert len(read_leaks(tmp_path / "out/rejects/leaks.csv")) == 4
    assert not (tmp_path / "out/manifest.csv").exists()


def test_splits_of_our_own_keep_photographs_together(tmp_path: Path) -> None:
    for seed in range(60):
        save(tmp_path / "raw" / ("happy", "sad")[seed % 2] / f"{seed}.png", photograph(seed))
        save(tmp_path / "raw" / ("happy", "sad")[seed % 2] / f"{seed}.jpg", recode(photograph(seed), 60))
    rows = ingest(tmp_path / "raw", tmp_path / "out", test_fraction=0.3, valid_fraction=0.2)
    splits = {one.id: one.split for one in read_manifest(tmp_path / "out/manifest.csv")}
    assert set(splits.values()) == {"train", "valid", "test"}
    for id_, split in splits.items():
        assert splits[id_.replace(".png", ".jpg")] == split
    assert {one.problem for one in rows} <= {f"within {split}" for split in ("train", "valid", "test")}
    assert len(rows) == 120


def test_a_union_is_told_of_photographs_in_two_sets() -> None:
    rows = [row("train/fear/1", "a"), row("test/fear/2", "a")]
    group = Group("same-bytes", tuple(rows), ("train", "test"))
    assert group.problem == "between train and test; between the sets train and test"

"""Adapter ``expw``: columns in their odd order, several faces in a picture, no splits."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from fer_au.datasets.recognition import fitting_adapters
from fer_au.errors import DataError
from tests.datasets.miniatures.expw import write
from tests.datasets.official import check_outline, reasons, scan, survey


@pytest.fixture
def expw(tmp_path: Path) -> Path:
    write(tmp_path / "ExpW")
    return tmp_path / "ExpW"


def test_each_line_is_a_face_with_its_box(expw: Path) -> None:
    found = {one.id: one for one in scan("expw", expw).records}
    assert len(found) == 28
    first, second = (found[f"image/origin/happy_man_0.jpg#{face}"] for face in "01")
    assert (first.label, first.box) == ("anger", (10, 5, 30, 25))  # the file says top before left
    assert (second.label, second.box) == ("disgust", (35, 6, 55, 26))
    codes = {one.path[-5]: one.label for id_, one in found.items() if id_[-1] == "0" and one.path[-6] == "_"}
    assert codes == {
        "0": "anger", "1": "disgust", "2": "fear", "3": "happiness", "4": "sadness", "5": "surprise", "6": "neutral",
        "7": "anger", "8": "disgust", "9": "fear",
    }  # fmt: skip
    check_outline("expw", expw)


def test_the_faces_of_a_picture_stay_in_one_split(expw: Path) -> None:
    found = survey("expw", expw, test_fraction=0.3, valid_fraction=0.2)
    splits = defaultdict(set)
    for row in found.rows:
        splits[row.path].add(row.split)
    assert {row.split for row in found.rows} == {"train", "valid", "test"}
    assert all(len(parts) == 1 for parts in splits.values())


def test_doubtful_boxes_are_left_out_by_their_confidence(expw: Path) -> None:
    found = scan("expw", expw, min_confidence=70)
    assert len(found.records) == 28 - 10
    assert {reject.detail.partition(" ")[0] for reject in found.rejects} == {"its"}
    assert set(reasons(found).values()) == {"unlabelled"}
    check_outline("expw", expw, min_confidence=70)


def test_faults_are_rows_of_the_rejects(expw: Path) -> None:
    file = expw / "label/label.lst"
    (expw / "image/origin/unlisted.jpg").write_bytes(b"")
    extra = [
        "happy_man_1.jpg 1 5 10 30 25 60 7",  # a label outside the list
        "happy_man_2.jpg 1 25 10 30 5 60 1",  # a box upside down
        "happy_man_4.jpg 0 5 10 30 25 60 0",  # another label of a face that is there
        "happy_man_5.jpg 0 5 10 30 25 65.5 5",  # the same once more
        "../../secret.jpg 0 5 10 30 25 60 1",
        "gone.jpg 0 5 10 30 25 60 1",
    ]
    file.write_bytes(b"\xef\xbb\xbf" + (file.read_text() + "\n".join(extra)).replace("\n", "\r\n").encode())
    found = reasons(survey("expw", expw, max_reject_fraction=0.9))
    assert found == {
        "image/origin/happy_man_1.jpg#1": "unknown_label",
        "image/origin/happy_man_2.jpg#1": "bad_row",
        "image/origin/happy_man_4.jpg#0": "conflicting_labels",
        "image/origin/../../secret.jpg#0": "outside_root",
        "image/origin/gone.jpg#0": "missing_file",
        "image/origin/unlisted.jpg": "unlabelled",
    }


def test_half_of_the_set_and_another_file_are_one_line(expw: Path, tmp_path: Path) -> None:
    assert fitting_adapters(expw) == ["expw"]
    (expw / "label/label.lst").rename(tmp_path / "label.lst")
    with pytest.raises(DataError, match=r"label\.lst: no such file, which says .*; folders found: image, label$"):
        scan("expw", expw)
    (expw / "label/label.lst").write_text("a.jpg 3\n")
    with pytest.raises(DataError, match="a line of ExpW is `image face top left right bottom confidence label`"):
        scan("expw", expw)
    (tmp_path / "label.lst").rename(expw / "label/label.lst")
    (expw / "image").rename(expw / "pictures")
    with pytest.raises(DataError, match="origin: no such folder; ExpW's pictures lie there"):
        scan("expw", expw)

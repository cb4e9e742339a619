"""Adapter ``csv``: every label file people send, and one clear line for those that can't be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.datasets import Record, Scan
from fer_au.datasets.csv_labels import CsvAdapter, CsvConfig
from fer_au.errors import DataError


@pytest.fixture
def scan(tmp_path: Path, add: Callable[..., Path]) -> Callable[..., Scan]:
    """Scan pictures a, b, c.jpg below ``images`` with a label file of the given text."""
    for name in "abc":
        add(tmp_path / f"images/{name}.jpg")

    def run(text: str | bytes, **keys: object) -> Scan:
        (tmp_path / "labels.csv").write_bytes(text.encode() if isinstance(text, str) else text)
        values = {"adapter": "csv", "root": tmp_path, "labels": "labels.csv", "images": "images", **keys}
        return CsvAdapter().scan(CsvConfig.model_validate(values))

    return run


def labels(scan: Scan) -> dict[str, str]:
    return {record.id: record.label for record in scan.records}


def rejects(scan: Scan) -> dict[str, str]:
    return {reject.id: reject.reason.value for reject in scan.rejects}


ALL = {"images/a.jpg": "fear", "images/b.jpg": "happiness", "images/c.jpg": "anger"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
def test_any_delimiter_line_end_and_mark(scan: Callable[..., Scan], end: str, delimiter: str, mark: bytes) -> None:
    lines = ["image,label", "a.jpg,Fear", "b.jpg,happy", "", "c.jpg,ANGER"]
    text = end.join(lines).replace(",", delimiter)
    found = scan(mark + text.encode())
    assert labels(found) == ALL
    assert rejects(found) == {}


def test_columns_are_found_by_name_in_any_case_and_order(scan: Callable[..., Scan]) -> None:
    found = scan("user.id, Emotion ,IMAGE\n7,fear,a.jpg\n7,joy,b.jpg\n8,angry,c.jpg\n", columns={"label": "emotion"})
    assert labels(found) == ALL


def test_columns_are_found_by_position_without_a_header(scan: Callable[..., Scan]) -> None:
    found = scan("0,a.jpg,fear\n1,b.jpg,happy\n2,c.jpg,anger", header=False, columns={"image": 1, "label": 2})
    assert labels(found) == ALL


def test_every_column_lands_in_its_field(scan: Callable[..., Scan]) -> None:
    columns = {"subject": "who", "split": "part", "fold": "f", "box": ["x", "y", "w", "h"]}
    found = scan(
        "image,label,who,part,f,x,y,w,h\na.jpg,fear,S1,Training,3,1,2,10,20.5\nb.jpg,fear,S2,val,,,,,\nc.jpg,fear,,,,,,,",
        columns=columns,
        box_format="xywh",
    )
    assert sorted(found.records, key=lambda record: record.id) == [
        Record("images/a.jpg", "fear", "train", "3", "S1", (1.0, 2.0, 11.0, 22.5)),
        Record("images/b.jpg", "fear", "valid", None, "S2"),
        Record("images/c.jpg", "fear"),
    ]


def test_codes_are_named_by_the_label_map(scan: Callable[..., Scan]) -> None:
    found = scan("image,label\na.jpg,1\nb.jpg,2\nc.jpg,8\n", label_map={1: "fear", "2": "joy", 8: None})
    assert labels(found) == {"images/a.jpg": "fear", "images/b.jpg": "happiness"}
    assert rejects(found) == {"images/c.jpg": "unlabelled"}


def test_bad_rows_are_rejects_with_their_reason(scan: Callable[..., Scan]) -> None:
    text = (
        "image,label,split,x,y,r,b\n"
        "a.jpg,bored,train,,,,\n"
        ",fear,train,,,,\n"
        "b.jpg\n"
        "c.jpg,fear,somewhere,,,,\n"
        "d.jpg,fear,train,5,5,5,9\n"
        "e.jpg,fear,train,5,5,wide,9\n"
        "f.jpg,fear,train,5,5,nan,9\n"
        "g.jpg,3,train\n"
    )
    found = scan(text, columns={"split": "split", "box": ["x", "y", "r", "b"]})
    assert labels(found) == {}
    assert rejects(found) == {
        "images/a.jpg": "unknown_label",
        "labels.csv:3": "bad_row",
        "images/b.jpg": "unlabelled",
        "images/c.jpg": "bad_row",
        "images/d.jpg": "bad_row",
        "images/e.jpg": "bad_row",
        "images/f.jpg": "bad_row",
        "images/g.jpg": "unknown_label",
    }


def test_repeated_rows_merge_and_contradicting_ones_reject_the_picture(scan: Callable[..., Scan]) -> None:
    rows = ["a.jpg,fear", "./a.jpg,FEAR", "b.jpg,fear", "b.jpg,anger", "c.jpg,fear", "c.jpg,bored"]
    for order in (rows, rows[::-1]):
        found = scan("\n".join(["image,label", *order]))
        assert labels(found) == {"images/a.jpg": "fear"}
        assert {reject.id: reject.detail for reject in found.rejects} == {
            "images/b.jpg": "anger, fear",
            "images/c.jpg": "bored, fear",
        }


def test_several_faces_of_a_picture_need_a_face_column(scan: Callable[..., Scan]) -> None:
    text = (
        "image,label,n,x,y,r,b\na.jpg,fear,0,0,0,9,9\na.jpg,anger,1,9,0,19,9\nb.jpg,fear,0,0,0,9,9\nc.jpg,fear,0,,,,\n"
    )
    found = scan(text, columns={"face": "n", "box": ["x", "y", "r", "b"]})
    assert sorted(labels(found)) == ["images/a.jpg#0", "images/a.jpg#1", "images/b.jpg#0", "images/c.jpg#0"]


def test_pictures_in_no_row_are_unlabelled(scan: Callable[..., Scan]) -> None:
    found = scan("image,label\nb.jpg,fear\n")
    assert rejects(found) == {"images/a.jpg": "unlabelled", "images/c.jpg": "unlabelled"}


def test_names_may_hold_quotes_line_ends_and_any_script(scan: Callable[..., Scan]) -> None:
    found = scan('image,label\n"new\nline, ""q"".jpg",fear\n笑顔 <b>.jpg,fear\n')
    assert sorted(labels(found)) == ['images/new\nline, "q".jpg', "images/笑顔 <b>.jpg"]


def test_subjects_come_from_a_column_or_a_pattern(scan: Callable[..., Scan]) -> None:
    text = "image,label,who\nA_B_0001.jpg,fear,\nA_B_0002.jpg,fear,C\n"
    found = scan(text, columns={"subject": "who"}, subject_pattern=r"^(.+)_\d+$")
    assert {record.id: record.subject for record in found.records} == {
        "images/A_B_0001.jpg": "A_B",
        "images/A_B_0002.jpg": "C",
    }


def test_other_encodings_are_read_when_named(scan: Callable[..., Scan]) -> None:
    data = "image,label\ngrün.jpg,fear\n".encode("cp1252")
    assert labels(scan(data, encoding="cp1252")) == {"images/grün.jpg": "fear"}
    with pytest.raises(DataError, match=r"labels\.csv: not utf-8 text; name its encoding"):
        scan(data)


@pytest.mark.parametrize(
    ("text", "written", "read", "hint"),
    [
        ("grün.jpg,fear", "latin-1", "utf-8", "cp1252 or latin-1 reads it, such as 'grün'"),
        ("grün.jpg,“fear”", "cp1252", "utf-8", "cp1252 reads it, such as 'grün'"),
        ("grün.jpg,fear", "utf-16", "utf-8", "utf-16 reads it, such as 'grün'"),
        ("grün.jpg,fear", "utf-8", "ascii", "utf-8 reads it, such as 'grün'"),
        ("笑顔.jpg,fear", "utf-8", "ascii", "utf-8 reads it, such as '笑顔'"),
    ],
)
def test_encodings_that_read_the_file_are_named(
    scan: Callable[..., Scan], text: str, written: str, read: str, hint: str
) -> None:
    data = f"image,label\n{text}\n".encode(written)
    with pytest.raises(DataError) as caught:
        scan(data, encoding=read)
    assert str(caught.value).endswith(f"not {read} text; name its encoding with the key encoding: {hint}")
    scan(data, encoding=hint.partition(" ")[0])


@pytest.mark.parametrize(
    ("name", "character"), [("tab", "\t"), ("\\t", "\t"), ("\t", "\t"), ("space", " "), (";", ";")]
)
def test_a_delimiter_that_is_hard_to_type_has_a_name(scan: Callable[..., Scan], name: str, character: str) -> None:
    found = scan(f"image{character}label\na.jpg{character}fear\n", delimiter=name)
    assert labels(found) == {"images/a.jpg": "fear"}


@pytest.mark.parametrize(
    ("keys", "hint"),
    [
        ({"labels": "Liste.CSV"}, "say `labels: far/below/liste.csv`"),
        ({"images": "Bilder"}, "say `images: far/Bilder`"),
        ({"points": {"file": "punkte.csv"}}, "say `points.file: far/punkte.csv`"),
    ],
)
def test_files_and_folders_that_lie_elsewhere_are_named(
    scan: Callable[..., Scan], tmp_path: Path, keys: dict[str, object], hint: str
) -> None:
    for folder in ("far/below", "far/Bilder"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("far/below/liste.csv", "far/punkte.csv"):
        (tmp_path / file).touch()
    with pytest.raises(DataError) as caught:
        scan("image,label\na.jpg,fear\n", **keys)
    assert f"; it is below {tmp_path}: {hint}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("image,emotion\n", {}, r"labels\.csv: no column 'label'; its columns are: image, emotion; say which"),
        (
            "File,lable\n",
            {},
            r"no column 'image', 'label'; its columns are: File, lable; did you mean label: lable\?; say",
        ),
        ("picture;label;x\n", {"columns": {"image": "pictures"}}, r"picture, label, x; did you mean image: picture\?"),
        (
            "a.jpg\n",
            {"header": False, "columns": {"image": 0, "label": 1}},
            "no column 1; columns count from 0, and the first row is: a.jpg; ",
        ),
        ("", {}, r"labels\.csv: no rows"),
        ("image,label\n", {"labels": "absent.csv"}, r"absent\.csv: No such file"),
        (
            "image,label\n",
            {"labels": "lables.csv"},
            r"lables\.csv: No such file .*; did you mean labels\.csv\?$",
        ),
        ("image,label\n", {"images": "pictures"}, r"pictures: no such folder \(key images\)"),
        ("image,label\n", {"images": "image"}, r"image: no such folder \(key images\); did you mean images\?$"),
        ("image,label\n", {"delimiter": ";"}, "no column 'image', 'label'"),
    ],
)
def test_an_unusable_label_file_is_one_line(
    scan: Callable[..., Scan], text: str, keys: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        scan(text, **keys)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "images", "note"),
    [
        (("a.jpg", "b.jpg"), ".", "below {root}; a.jpg is {root}/images/a.jpg: say `images: images`"),
        (
            ("images/a.jpg", "images/b.jpg"),
            "images",
            "below {root}/images; images/a.jpg is {root}/images/a.jpg: say",
        ),
        (("a", "b"), "images", "below {root}/images; 2 are there with another suffix: 'a' is 'images/a.jpg'; write"),
        (("x.jpg", "y.jpg"), ".", "below {root}, where there is no x.jpg; `images` names another folder below root"),
        (("/far/x.jpg", "y.jpg"), ".", "below {root}, where there is no /far/x.jpg; `images` names another folder"),
    ],
    ids=["images not given", "images given twice", "no suffix", "nowhere", "absolute"],
)
def test_pictures_that_are_elsewhere_get_a_note(
    scan: Callable[..., Scan], tmp_path: Path, names: tuple[str, ...], images: str, note: str
) -> None:
    found = scan("image,label\n" + "".join(f"{name},fear\n" for name in names), images=images)
    start = "2 of 2 pictures are not there: names are looked up "
    assert found.notes[0].startswith(start + note.format(root=tmp_path))


def test_a_few_missing_pictures_get_no_note(scan: Callable[..., Scan]) -> None:
    assert scan("image,label\na.jpg,fear\nb.jpg,fear\nx.jpg,fear\n").notes == ()


def test_the_adapters_own_files_are_not_passed_over(scan: Callable[..., Scan], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    header = ",".join(f"x{i},y{i}" for i in range(68))
    values = ",".join(f"{i % 9},{i // 9}" for i in range(68))
    (tmp_path / "points.csv").write_text(f"id,{header}\nimages/a.jpg,{values}\n")
    found = scan("image,label\nimages/a.jpg,fear\n", images=".", labels="./labels.csv", points={"file": "points.csv"})
    (line,) = [note for note in found.notes if note.startswith("passed over")]
    assert line == f"passed over, 1 file(s) below {tmp_path} that are named like no picture: notes.txt"


def test_names_outside_the_root_are_never_listed(scan: Callable[..., Scan], tmp_path: Path) -> None:
    foreign = tmp_path.with_name(f"{tmp_path.name}-foreign")
    foreign.mkdir()
    (foreign / "secret.jpg").touch()
    (tmp_path / "linked").symlink_to(foreign)
    found = scan("image,label\na.jpg,fear\n", images="linked")
    assert [(one.id, one.reason.value) for one in found.rejects] == [("linked", "outside_root")]
    assert "secret" not in str(found)


def test_a_name_that_an_export_marked_as_text_is_found(scan: Callable[..., Scan], tmp_path: Path) -> None:
    header = ",".join(f"x{i},y{i}" for i in range(68))
    values = ",".join(f"{i % 9},{i // 9}" for i in range(68))
    (tmp_path / "=SUM(1).jpg").touch()
    (tmp_path / "points.csv").write_text(f"id,{header}\n'=SUM(1).jpg,{values}\n")
    found = scan("image,label\n=SUM(1).jpg,fear\n", images=".", points={"file": "points.csv"})
    assert found.annotations.ids == ("=SUM(1).jpg",)

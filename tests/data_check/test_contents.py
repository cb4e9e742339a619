"""Folders in which no adapter finds a data set: one line each, which says what lies there and what to do."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from fer_au.data_check.gather import recognise
from fer_au.errors import DataError
from tests.data_check.conftest import Write


def refuse(root: Path, **settings: object) -> str:
    with pytest.raises(DataError) as caught:
        recognise(root, settings)
    text = str(caught.value)
    assert text.startswith(f"{root}: ")
    assert "\n" not in text
    return text.removeprefix(f"{root}: ")


def test_what_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    assert refuse(tmp_path / "face") == f"no such folder; did you mean {tmp_path / 'faces'}?"
    assert refuse(tmp_path / "gone/faces") == f"no such folder; {tmp_path / 'gone'} is missing, too"
    assert refuse(tmp_path / "faces") == "an empty folder"
    (tmp_path / "link").symlink_to("nowhere")
    assert refuse(tmp_path / "link") == "a broken link"
    with zipfile.ZipFile(tmp_path / "set", "w") as archive:
        archive.writestr("a", "b")
    assert refuse(tmp_path / "set") == "an archive; unpack it, and name the folder"
    (tmp_path / "set.tar.gz").touch()
    assert refuse(tmp_path / "set.tar.gz") == "an archive; unpack it, and name the folder"
    (tmp_path / "l.csv").touch()
    assert refuse(tmp_path / "l.csv").endswith(f"fer-au check-data {tmp_path} --set labels=l.csv")
    (tmp_path / "1.jpg").touch()
    assert refuse(tmp_path / "1.jpg") == f"a file; name the folder that holds it, {tmp_path}"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            ["a.mp4", "b.AVI"],
            "2 videos and no picture; adapter video reads clips in class folders, or those that a table names: --set",
        ),
        (["a.zip", "read.me"], "no picture, but archives: a.zip; unpack them"),
        (
            ["__MACOSX/happy/._1.jpg", ".DS_Store"],
            "only .DS_Store, __MACOSX/, which archives and systems add; ",
        ),
        (["a.npy", "b.npy", "c.mat"], "no picture, but 2 .npy, 1 .mat; adapters read pictures"),
    ],
)
def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path, files: list[str], said: str) -> None:
    for file in files:
        (tmp_path / "set" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / file).touch()
    assert refuse(tmp_path / "set").startswith(said)


def test_links_are_named(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/happy").write_text("../elsewhere/happy")
    assert "happy are texts that stand for links" in refuse(tmp_path / "set")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "set/happy").unlink()
    (tmp_path / "set/happy").symlink_to(tmp_path / "elsewhere")
    (fit,) = recognise(tmp_path / "set", {})
    assert "`follow_links: true` takes the pictures behind it" in fit.fault
    (tmp_path / "set/happy").rename(tmp_path / "set/pictures")
    assert "--set follow_links=true takes the pictures behind them" in refuse(tmp_path / "set")


def test_pictures_that_nothing_labels_are_counted(write: Write) -> None:
    assert refuse(write("1.jpg", "2.jpg")).startswith("2 pictures without labels: no class folder, no label file; ")


def test_folders_of_unknown_names_may_be_classes(write: Write) -> None:
    line = refuse(write("train/Freude/1.jpg", "train/Wut/2.jpg", "test/Wut/3.jpg"))
    assert "folders found: Freude, Wut. " in line
    assert line.endswith("--set 'label_map={Freude: EXPRESSION, Wut: EXPRESSION}'")
    root = write("train/Freude/1.jpg")
    assert [fit.adapter for fit in recognise(root, {"label_map": {"Freude": "joy", "Wut": "anger"}})] == ["folder"]


def test_a_set_in_a_folder_below_is_pointed_to(write: Write) -> None:
    root = write("faces/happy/1.jpg", "faces/sad/2.jpg")
    assert refuse(root).endswith(f"adapter folder fits it: fer-au check-data {root / 'faces'}")


def test_several_sets_are_named_with_the_command_that_joins_them(write: Write) -> None:
    root = write("one/happy/1.jpg", "two/train/sad/2.jpg")
    line = refuse(root)
    assert line.startswith("holds 2 data sets: one (adapter folder), two (adapter folder); check one of these folders")
    assert "'sets={one: {adapter: folder, root: one}, two: {adapter: folder, root: two}}'" in line
    # Of known sets, one of which would be recognised by most of its pictures' names, too.
    from tests.datasets.miniatures import jaffe, kdef

    kdef.write(root / "KDEF", 2)
    jaffe.write(root / "jaffe")
    assert "KDEF (adapter kdef)" in refuse(root)


def test_sets_in_the_only_folder_are_found_also_of_one_kind(write: Write) -> None:
    paths = [f"archive/{name}/{split}/1_fear.jpg" for name in ("FER", "RAF") for split in ("train", "test")]
    root = write(*paths)
    for name in ("FER", "RAF"):
        for split in ("train", "test"):
            (root / f"archive/{name}/{split}_{name}_labels.csv").write_text("1_fear.jpg,5\n")
    said = refuse(root)
    assert said.startswith(
        "holds 2 data sets: archive/FER (adapter sep), archive/RAF (adapter sep); check one of these"
    )
    assert "archive-fer: {adapter: sep, root: archive/FER}" in said

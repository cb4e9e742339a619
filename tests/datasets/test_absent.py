"""Names of a label file that no picture has: the cause is found, counted and said in one line."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.datasets import Scan
from fer_au.datasets.absent import explain_absent
from fer_au.datasets.csv_labels import CsvAdapter, CsvConfig
from fer_au.rejects import Reason

NUMBERS = range(1, 13)

# What is said -> a name of the label file, and the file that it means, below images; {0} is a number.
CAUSES = {
    "with / for \\": ("s{0}\\{0}.jpg", "s{0}/{0}.jpg"),
    "in other upper and lower case": ("a{0}.jpg", "A{0}.JPG"),
    "in another folder": ("/far/away/{0}.jpg", "{0}.jpg"),
    "with / for \\ and in another folder": ("C:\\lab\\{0}.jpg", "{0}.jpg"),
    "with another suffix": ("img_{0}", "img_{0}.jpg"),
    "with another suffix ": ("{0}.png", "{0}.jpg"),
    "with other leading zeros": ("{0}.jpg", "{0:05}.jpg"),
    "with other leading zeros ": ("{0:04}.jpg", "{0:05}.jpg"),
    "with %20 and the like decoded": ("a%20{0}.jpg", "a {0}.jpg"),
    "with other blanks": ("a  {0} .jpg", "a {0}.jpg"),
    "in other Unicode characters": ("\N{FULLWIDTH LATIN SMALL LETTER A}{0}.jpg", "a{0}.jpg"),
    "with '_aligned' behind the name": ("train_{0:05}.jpg", "train_{0:05}_aligned.jpg"),
    "with 'fer' before the name": ("{0:05}.jpg", "fer{0:05}.jpg"),
    "without '_orig' behind the name": ("{0:05}_orig.jpg", "{0:05}.jpg"),
    "with another suffix and with '_aligned' behind the name": ("x{0:03}", "x{0:03}_aligned.jpg"),
    "in other upper and lower case and with another suffix": ("A{0}.PNG", "a{0}.jpg"),
    "in other upper and lower case and with another suffix and in another folder": ("x/A{0}.PNG", "y/a{0}.jpg"),
}


@pytest.fixture
def scan(tmp_path: Path, add: Callable[..., Path]) -> Callable[..., Scan]:
    """Scan files below ``images`` with a label file of names."""

    def run(names: list[str], files: list[str]) -> Scan:
        for file in files:
            add(tmp_path / "images" / file)
        (tmp_path / "labels.csv").write_text("image,label\n" + "".join(f'"{name}",fear\n' for name in names))
        values = {"adapter": "csv", "root": tmp_path, "labels": "labels.csv", "images": "images"}
        return CsvAdapter().scan(CsvConfig.model_validate(values))

    return run


@pytest.mark.parametrize("text", CAUSES)
def test_a_cause_is_found_and_counted(scan: Callable[..., Scan], tmp_path: Path, text: str) -> None:
    names, files = ([pattern.format(number) for number in NUMBERS] for pattern in CAUSES[text])
    found = scan([*names, "nowhere.jpg"], files)
    start = (
        f"13 of 13 pictures are not there: names are looked up below {tmp_path}/images; 12 are there {text.strip()}: "
    )
    assert found.notes[0].startswith(start)
    assert any(f": {n!r} is 'images/{f}'; write" in found.notes[0] for n, f in zip(names, files, strict=True))


@pytest.mark.parametrize(
    ("name", "files"),
    [("s{0}/a.jpg", "t/{0}/b.jpg"), ("{0}.jpg", "9{0}7.jpg"), ("x/{0}.jpg", "a/{0}.png b/{0}.png")],
)
def test_no_cause_is_made_up(scan: Callable[..., Scan], name: str, files: str) -> None:
    found = scan([name.format(n) for n in NUMBERS], [one.format(n) for n in NUMBERS for one in files.split(" ")])
    assert "`images` names another folder below root" in found.notes[0]


def test_absolute_paths_below_the_root_are_taken(scan: Callable[..., Scan], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    names = [f"{tmp_path}/images/{n}.jpg" for n in NUMBERS]
    found = scan(names, [f"{n}.jpg" for n in NUMBERS])
    assert sorted(record.path for record in found.records) == sorted(f"images/{n}.jpg" for n in NUMBERS)
    assert (found.rejects, found.notes) == ((), ())


def test_names_that_lead_up_are_explained_too(scan: Callable[..., Scan]) -> None:
    note = scan([f"../images/{n}.jpg" for n in NUMBERS], [f"{n}.jpg" for n in NUMBERS]).notes[0]
    assert "12 are there in another folder: " in note


@pytest.mark.parametrize("row", ["a .jpg fear", "a b.jpg fear"])
def test_a_name_that_a_blank_parts_is_named(scan: Callable[..., Scan], tmp_path: Path, row: str) -> None:
    scan([], ["a .jpg"])
    (tmp_path / "list.txt").write_text(f"{row}\n")
    columns = {"image": 0, "label": 1}
    values = {"adapter": "csv", "root": tmp_path, "labels": "list.txt", "images": "images"}
    found = CsvAdapter().scan(CsvConfig.model_validate({**values, "header": False, "columns": columns}))
    (reject,) = (one for one in found.rejects if one.reason is Reason.BAD_ROW)
    assert reject.id == "images/a"
    assert "as if the picture's name were parted" in reject.detail


def test_a_large_set_is_explained_in_seconds(tmp_path: Path) -> None:
    names, paths = [f"p{n}/{n % 100}.jpg" for n in range(30_000)], [f"q{n}/{n % 100}.JPG" for n in range(30_000)]
    start = time.perf_counter()
    assert "30000 of 30000" in explain_absent(tmp_path, ".", set(names), paths)
    assert time.perf_counter() - start < 20

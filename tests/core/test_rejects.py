from __future__ import annotations

import csv
from pathlib import Path

import pytest

from fer_au.errors import DataError
from fer_au.rejects import Reason, Reject, check_reject_fraction, name_reasons, read_rejects, write_rejects

REJECTS = [Reject("b.jpg", Reason.TRUNCATED, "at byte 7,\nof 9"), Reject('a,"<i>\r\n.jpg', Reason.NOT_AN_IMAGE)]


def test_a_table_reads_back_sorted_and_on_one_line_each(tmp_path: Path) -> None:
    path = tmp_path / "rejects" / "ingest.csv"
    write_rejects(path, REJECTS)
    assert path.read_text().splitlines()[0] == "id,reason,detail"
    assert read_rejects(path) == [REJECTS[1], Reject("b.jpg", Reason.TRUNCATED, "at byte 7, of 9")]


def test_an_empty_table_still_has_its_header(tmp_path: Path) -> None:
    write_rejects(tmp_path / "none.csv", [])
    assert (tmp_path / "none.csv").read_text() == "id,reason,detail\n"
    assert read_rejects(tmp_path / "none.csv") == []


@pytest.mark.parametrize("text", ["", "a,b\n", "id,reason,detail\nx,no_such_reason,\n", "id,reason,detail\nx\n"])
def test_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError, match=r"x\.csv"):
        read_rejects(tmp_path / "x.csv")
    with pytest.raises(DataError, match=r"missing\.csv: no such file"):
        read_rejects(tmp_path / "missing.csv")


def test_the_limit_counts_and_names_reasons() -> None:
    check_reject_fraction("ingest", REJECTS, 40, 0.05, Path("r.csv"))
    said = r"2 of 39 items rejected .*: 1 not_an_image \(a,.*\), 1 truncated \(b\.jpg: at byte 7, of 9\); see r\.csv"
    with pytest.raises(DataError, match=said):
        check_reject_fraction("ingest", REJECTS, 39, 0.05, Path("r.csv"))


def test_nothing_left_is_an_error_whatever_the_limit() -> None:
    with pytest.raises(DataError, match="2 of 2"):
        check_reject_fraction("ingest", REJECTS, 2, 1.0, Path("r.csv"))
    with pytest.raises(DataError, match="no items"):
        check_reject_fraction("ingest", [], 0, 1.0, Path("r.csv"))


def test_many_rejects_are_named_by_their_first_ones() -> None:
    rejects = [Reject(f"{k}.jpg", Reason.UNREADABLE, "x" * 500) for k in range(9)] + [Reject("z", Reason.CHANGED)]
    text = name_reasons(rejects)
    assert text == "9 unreadable (0.jpg: ...; 1.jpg: ...; ...), 1 changed (z)"


@pytest.mark.parametrize(
    "name", ["=HYPERLINK(1)", "+1+cmd|x", "-2+3", "@SUM(1)", "\t=1", "'=1", "''@x", "'quoted'", "-5", "plain", "", "'"]
)
def test_no_table_for_people_holds_a_formula_and_every_name_reads_back(tmp_path: Path, name: str) -> None:
    rejects = [Reject(name, Reason.UNREADABLE, f"={name.strip()}")]
    write_rejects(tmp_path / "r.csv", rejects)
    assert read_rejects(tmp_path / "r.csv") == rejects
    with (tmp_path / "r.csv").open(newline="") as file:
        for cell in list(csv.reader(file))[1]:
            assert not cell.startswith(("=", "+", "@", "\t", "\r")), cell
            assert not cell.startswith("-") or cell == "-5"

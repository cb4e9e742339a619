"""The manifest reads back as written, and refuses what is no manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_au.datasets.manifest import HEADER, ManifestRow, read_manifest, write_manifest
from fer_au.errors import DataError

ROW = ManifestRow("b", "b", "00", "train", None, "fear", None, 32, 24, None)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)


@given(
    st.lists(TEXT, unique=True, max_size=6), TEXT, st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 4)
)
def test_any_text_survives_writing_and_reading(tmp_path_factory, ids, subject, box) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("manifest") / "manifest.csv"
    rows = [replace(ROW, id=id_, path=id_, subject=subject, fold="2", box=box) for id_ in ids]
    write_manifest(path, rows)
    assert read_manifest(path) == sorted(rows, key=lambda row: row.id)


def test_rows_are_sorted_by_id_and_columns_have_their_fixed_order(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.csv", [ROW, replace(ROW, id="a", box=(0.0, 1.5, 10.0, 20.0), subject="x,y")])
    assert (tmp_path / "m.csv").read_bytes() == (
        b"id,path,sha256,split,fold,label,subject,width,height,box\n"
        b'a,b,00,train,,fear,"x,y",32,24,0.0 1.5 10.0 20.0\n'
        b"b,b,00,train,,fear,,32,24,\n"
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id,path"], "not a manifest"),
        ([], "not a manifest"),
        ([",".join(HEADER), "a,a,00,train,,fear,,32,24"], "line 2: 9 cells, expected 10"),
        ([",".join(HEADER), "a,a,00,dev,,fear,,32,24,"], "line 2: split 'dev'"),
        ([",".join(HEADER), "a,a,00,train,,Fear,,32,24,"], "line 2: label 'Fear'"),
        ([",".join(HEADER), "a,a,00,train,,fear,,32,x,"], "line 2: invalid literal"),
        ([",".join(HEADER), "a,a,00,train,,fear,,32,24,1 2 3"], "line 2: box needs four numbers"),
        ([",".join(HEADER), "b,b,00,train,,fear,,32,24,", "a,a,00,train,,fear,,32,24,"], "not sorted by id"),
        ([",".join(HEADER), "a,a,00,train,,fear,,32,24,", "a,a,00,train,,fear,,32,24,"], "an id is repeated"),
    ],
)
def test_what_is_no_manifest_is_one_line_that_names_the_file(tmp_path: Path, lines: list[str], message: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(lines) + "\n" if lines else "")
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)


def test_a_missing_manifest_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv: No such file"):
        read_manifest(tmp_path / "absent.csv")

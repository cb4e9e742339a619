"""Soft labels from columns of a label file: votes and probabilities become shares, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_au.config.reading import examine
from fer_au.datasets import create_adapter
from fer_au.datasets.shares import Shares, read_shares
from tests.datasets.official import outline, reasons, survey

Add = Callable[..., Path]
SOFT = {"sad": "s", "happy": "h", "neutral": "n"}


def judged(root: Path, add: Add, rows: list[str], header: str = "image,label,h,s,n", **columns: Any) -> dict[str, Any]:
    for row in rows:
        add(root / row.partition(",")[0])
    (root / "votes.csv").write_text("\n".join([header, *rows]) + "\n")
    keys = {"labels": "votes.csv", "valid_fraction": 0.0, "max_reject_fraction": 0.9}
    return {**keys, "columns": {"soft": SOFT, **columns}}


def test_votes_become_shares_in_the_order_of_the_expressions(tmp_path: Path, add: Add) -> None:
    entry = judged(tmp_path, add, ["1.png,happy,6,2,2", "2.png,sad,0,5,", "3.png,neutral,,,", "4.png,happy,1,0,0"])
    found = survey("csv", tmp_path, **entry)
    assert found.annotations.attributes["soft_label_names"] == "neutral,happiness,sadness"
    ids = [row.id for row in found.rows]
    shares = found.annotations.align(ids)["soft_label"]
    np.testing.assert_allclose(shares, [[0.2, 0.6, 0.2], [0, 0, 1], [np.nan] * 3, [0, 1, 0]], rtol=1e-6)
    assert found.rejects == ()
    assert "soft_label" in outline("csv", tmp_path, **entry).columns


def test_probabilities_sum_to_one_up_to_rounding() -> None:
    rows = [["0.5", "0.25", "0.25"], ["0.33", "0.33", "0.33"], ["0.5", "0.1", "0.1"], ["1", "1", "0"], ["1", "", "0"]]
    found = read_shares(rows)
    assert [bool(one.fault) for one in found] == [False, False, True, True, False]
    assert found[1].values == pytest.approx([1 / 3] * 3)
    assert found[2].fault is not None
    assert found[2].fault[1] == "soft label sums to 0.7; probabilities sum to 1"
    assert read_shares([["1", "1", "0"], ["0", "1", "0"]])[0].values == (0.5, 0.5, 0)  # whole numbers are votes
    assert read_shares([["37.5", "62.5"], ["0.5", "0.5"]]) == [Shares((0.375, 0.625)), Shares((0.5, 0.5))]  # percent


def test_bad_rows_are_rejected_and_named(tmp_path: Path, add: Add) -> None:
    rows = ["1.png,happy,-1,2,3", "2.png,sad,0,0,0", "3.png,sad,many,1,0", "4.png,sad,inf,1,0", "5.png,happy,4,0,1"]
    rows += ["6.png,happy,4,0,1", "6.png,happy,0,4,1", "7.png,happy,4,0,1", "7.png,happy,4,0,1", "8.png,odd,4,0,1"]
    found = survey("csv", tmp_path, **judged(tmp_path, add, rows))
    assert reasons(found) == {
        "1.png": "bad_row", "2.png": "unlabelled", "3.png": "bad_row", "4.png": "bad_row", "6.png": "duplicate_id",
        "8.png": "unknown_label",
    }  # fmt: skip
    assert [row.id for row in found.rows] == ["5.png", "7.png"]
    details = {one.id: one.detail for one in found.rejects}
    assert details["1.png"] == "soft label 3, -1, 2 has a number that is negative or not finite"
    assert details["2.png"] == "soft label without any vote or probability"


def test_the_largest_share_is_the_label_where_no_column_is(tmp_path: Path, add: Add) -> None:
    rows = ["1.png,6,2,2", "2.png,0,5,1", "3.png,,,", "4.png,2,2,1"]
    entry = judged(tmp_path, add, rows, "image,h,s,n", label=None)
    found = survey("csv", tmp_path, **entry)
    assert {row.id: row.label for row in found.rows} == {"1.png": "happiness", "2.png": "sadness", "4.png": "happiness"}
    assert reasons(found) == {"3.png": "unlabelled"}
    tally = outline("csv", tmp_path, **entry).tally
    assert tally is not None
    assert tally.faces == {(None, None, "happiness"): 2, (None, None, "sadness"): 1}


def test_points_of_the_file_come_along(tmp_path: Path, add: Add) -> None:
    entry = judged(tmp_path, add, ["1.png,happy,6,2,2", "2.png,sad,0,5,1"])
    (tmp_path / "points.csv").write_text(
        ",".join(["id", *(f"{axis}{n}" for n in range(68) for axis in "xy")])
        + "\n2.png,"
        + ",".join(str(n % 20) for n in range(136))
        + "\n"
    )
    found = survey("csv", tmp_path, **entry, points={"file": "points.csv"})
    assert set(found.annotations.columns) == {"points", "soft_label"}
    assert found.annotations.columns["soft_label"].shape == (2, 3)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"soft": {"glad": "h", "sad": "s"}}, "'glad' is no expression"),
        ({"soft": {"happy": "h", "happiness": "s"}}, "happiness stands there twice"),
        ({"soft": {"happy": "h"}}, "happiness alone leaves nothing to share"),
        ({"label": None}, "names no columns, and label names none"),
    ],
)
def test_columns_that_mean_nothing_are_refused(columns: dict[str, Any], text: str) -> None:
    entry = {"adapter": "csv", "root": "x", "labels": "votes.csv", "columns": columns}
    _, faults = examine(create_adapter("csv").Config, entry, "datasets.x")
    assert [fault.key for fault in faults] == ["datasets.x.columns.soft" if "soft" in columns else "datasets.x.columns"]
    assert text in faults[0].text

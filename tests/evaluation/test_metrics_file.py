from __future__ import annotations

import json

import numpy as np
import pytest

from fer_au.errors import DataError
from fer_au.evaluation import read_metrics, write_metrics
from fer_au.evaluation.metrics_file import metrics_text


def test_keys_are_flat_and_sorted_and_undefined_is_null(tmp_path):
    path = tmp_path / "metrics" / "au.json"
    write_metrics(path, {"n": 3, "cam_cos.native": np.float64(0.25), "att_cos": float("nan"), "environment.torch": "2"})
    assert path.read_text() == (
        '{\n  "att_cos": null,\n  "cam_cos.native": 0.25,\n  "environment.torch": "2",\n  "n": 3\n}\n'
    )
    assert read_metrics(path) == {"att_cos": None, "cam_cos.native": 0.25, "environment.torch": "2", "n": 3}


def test_equal_metrics_give_equal_bytes_in_any_order():
    items = [("b", 1.0), ("a", 1 / 3), ("c", float("inf"))]
    assert metrics_text(dict(items)) == metrics_text(dict(reversed(items)))
    assert json.loads(metrics_text(dict(items))) == {"a": 0.333333, "b": 1.0, "c": None}


@pytest.mark.parametrize("value", [{"nested": 1}, np.zeros(2), [1]])
def test_what_is_not_flat_is_refused(value):
    with pytest.raises(TypeError, match="'att_cos'"):
        metrics_text({"att_cos": value})


def test_nothing_is_left_beside_the_file(tmp_path):
    write_metrics(tmp_path / "au.json", {"n": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["au.json"]


def test_an_unwritable_place_is_one_line(tmp_path):
    (tmp_path / "metrics").write_text("a file where a folder should be")
    with pytest.raises(DataError, match="cannot write"):
        write_metrics(tmp_path / "metrics" / "au.json", {"n": 1})


@pytest.mark.parametrize("text", ["", "[1]", '{"a": {"b": 1}}', "{"])
def test_what_is_no_metrics_file_is_named(tmp_path, text):
    path = tmp_path / "au.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"au\.json"):
        read_metrics(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.json: no such file"):
        read_metrics(tmp_path / "none.json")

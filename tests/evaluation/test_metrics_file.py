from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from fer_au.errors import ArgumentError, DataError
from fer_au.evaluation import read_metrics, write_metrics
from fer_au.evaluation.metrics_file import detail_path, is_headline, metrics_text, read_metrics_file
from fer_au.sealed_json import seal_json


def test_keys_are_flat_and_sorted_and_undefined_is_null(tmp_path):
    path = tmp_path / "metrics" / "au.json"
    write_metrics(path, {"n": 3, "cam_cos.native": np.float64(0.25), "att_cos": float("nan"), "environment.torch": "2"})
    assert path.read_text() == '{\n  "att_cos": null,\n  "cam_cos.native": 0.25,\n  "n": 3\n}\n'
    detail = json.loads((tmp_path / "metrics" / "detail" / "au.json").read_text())
    assert list(detail) == ["environment.torch", "sha256.headline", "sha256"]
    assert detail["sha256.headline"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_metrics(path) == {"att_cos": None, "cam_cos.native": 0.25, "environment.torch": "2", "n": 3}


def test_equal_metrics_give_equal_bytes_in_any_order():
    items = [("b", 1.0), ("a", 1 / 3), ("c", float("inf"))]
    assert metrics_text(dict(items)) == metrics_text(dict(reversed(items)))
    assert json.loads(metrics_text(dict(items))) == {"a": 0.333333, "b": 1.0, "c": None}


@pytest.mark.parametrize("value", [{"nested": 1}, np.zeros(2), [1]])
def test_what_is_not_flat_is_refused(value):
    with pytest.raises(ArgumentError, match="'att_cos'"):
        metrics_text({"att_cos": value})


def test_headline_and_detail_are_all_and_share_nothing(tmp_path):
    metrics = {"accuracy": 0.5, "att_cos": 0.7, "layer.2.att_cos": 0.4, "per_class.fear.n": 3, "my_score": 1.0}
    write_metrics(tmp_path / "au.json", metrics)
    headline, detail = read_metrics_file(tmp_path / "au.json"), read_metrics_file(tmp_path / "detail" / "au.json")
    assert set(headline) == {"accuracy", "att_cos"}
    assert not headline.keys() & detail.keys()
    assert headline | detail == metrics == read_metrics(tmp_path / "au.json")
    assert list(read_metrics(tmp_path / "au.json")) == sorted(metrics)


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("metrics/au.json", "metrics/detail/au.json"),
        ("metrics/cross/away.json", "metrics/detail/cross/away.json"),
        ("metrics/cross.json", "metrics/detail/cross.json"),
        ("au.json", "detail/au.json"),
    ],
)
def test_the_detail_file_lies_beside_the_headline(path, detail):
    assert detail_path(Path(path)) == Path(detail)


def test_the_detail_file_may_lie_elsewhere(tmp_path):
    path, detail = tmp_path / "a.json", tmp_path / "far" / "b.json"
    write_metrics(path, {"n": 1, "other": 2}, detail)
    assert read_metrics(path, detail) == {"n": 1, "other": 2}
    with pytest.raises(DataError, match=r"detail/a\.json: no such file"):
        read_metrics(path)


def test_a_key_in_both_files_is_named(tmp_path):
    write_metrics(tmp_path / "au.json", {"n": 1})
    headline = hashlib.sha256((tmp_path / "au.json").read_bytes()).hexdigest()
    (tmp_path / "detail" / "au.json").write_bytes(seal_json({"n": 2, "sha256.headline": headline}))
    with pytest.raises(DataError, match=r"detail/au\.json: 'n' is in"):
        read_metrics(tmp_path / "au.json")


def test_a_headline_key_is_matched_as_a_whole():
    assert is_headline("cam_cos.native")
    assert not is_headline("baseline.blank.att_ccos")
    assert not is_headline("floor.region.background")
    assert not is_headline("n_cos.more")


def test_nothing_is_left_beside_the_files(tmp_path):
    write_metrics(tmp_path / "au.json", {"n": 1})
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["au.json", "au.json"]


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

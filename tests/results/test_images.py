from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from fer_au.errors import StoreError
from fer_au.results.images import export_images
from fer_au.results.published import scores_beside
from fer_au.results.reading import read_results
from fer_au.results.words import describe
from fer_au.stores import Store, write_store
from tests.results.writer import CLASSES, ResultsWriter


def opened(writer: ResultsWriter, name: str = "au") -> Store:
    return Store.open(writer.root / "evaluation" / f"{name}.h5", "evaluation")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_image_has_labels_probabilities_and_scores(writer: ResultsWriter, tmp_path: Path) -> None:
    writer.evaluate("au", wrong=2, images=1500)
    store = opened(writer)
    left_out = export_images(store, tmp_path / "images.csv")
    assert (left_out.maps, left_out.others) == (("attention/3", "target"), ())
    rows = rows_of(tmp_path / "images.csv")
    assert list(rows[0]) == [
        "id", "true", "predicted", "confidence", *(f"probability.{name}" for name in CLASSES), "att_cos", "target_valid"
    ]  # fmt: skip
    assert [row["id"] for row in rows] == store.ids
    assert (rows[0]["true"], rows[0]["predicted"]) == ("neutral", "happiness")
    assert [row["true"] == row["predicted"] for row in rows[:4]] == [False, False, True, True]
    assert all(row["confidence"] == row[f"probability.{row['predicted']}"] for row in rows)
    assert rows[0]["att_cos"] == ""
    found = np.array([row["att_cos"] or "nan" for row in rows], np.float32)
    np.testing.assert_array_equal(found, store["score/att_cos"])


def test_maps_are_written_where_they_are_asked_for(writer: ResultsWriter, tmp_path: Path) -> None:
    writer.evaluate("au")
    assert export_images(opened(writer), tmp_path / "images.csv", maps=True).maps == ()
    head = list(rows_of(tmp_path / "images.csv")[0])
    assert len(head) == 9 + 28 * 28 + 7 * 7
    assert {"target_0_0", "attention/3_6_6"} <= set(head)


def without_attribute(writer: ResultsWriter, **attributes: str) -> Store:
    store = opened(writer)
    columns = {name: np.array(store[name]) for name in store.columns}
    write_store(writer.root / "other.h5", "evaluation", columns, fingerprint="0" * 64, attributes=attributes)
    return Store.open(writer.root / "other.h5", "evaluation")


def test_a_store_that_does_not_name_its_classes_keeps_numbers(writer: ResultsWriter, tmp_path: Path) -> None:
    writer.evaluate("au")
    export_images(without_attribute(writer), tmp_path / "images.csv")
    head = list(rows_of(tmp_path / "images.csv")[0])
    assert head == ["id", "label", *(f"probabilities_{k}" for k in range(3)), "score/att_cos", "target_valid"]


def test_classes_that_do_not_fit_are_refused(writer: ResultsWriter, tmp_path: Path) -> None:
    writer.evaluate("au")
    with pytest.raises(StoreError, match=r"other\.h5: attribute 'classes' doesn't name the columns"):
        export_images(without_attribute(writer, classes="neutral,anger"), tmp_path / "images.csv")
    assert not (tmp_path / "images.csv").exists()


def test_one_experiment_is_described_in_words(writer: ResultsWriter) -> None:
    writer.evaluate("au", wrong=3, **{"cam_cos.native": 0.6})
    writer.evaluate_cross("there", "au", accuracy=0.5, n=8)
    writer.publish({"row": "CAM", "experiment": "au", "metrics": {"accuracy": 0.8, "cam_cos.native": 0.55}})
    results = read_results(writer.params(), writer.root)
    (entry,), (cross,) = results.experiments, results.cross
    assert entry.result is not None
    assert cross.result is not None
    text = describe(entry.result, scores_beside(results), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "12 images of split 'test'" in text
    assert "  accuracy           75.00 %" in text
    assert "published (CAM): 80.00, difference -5.00" in text
    assert "published (CAM): 0.550, difference +0.050" in text
    assert "95 % interval over images" in text
    assert "Share of test images whose expression is named correctly" in text
    assert "layer.3" not in text  # no headline
    text = describe(cross.result, scores_beside(results), 80)
    there = "model of experiment 'au', scored on 8 images of split 'test' of data set 'other', 3 classes"
    assert there in " ".join(text.split())
    assert "published" not in text

"""Slices of a split, their scores and intervals, calibration, and Holm's correction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_au.batches.faces import FaceDataset
from fer_au.evaluation.averages import macro_mean
from fer_au.evaluation.bootstrap import holm
from fer_au.evaluation.calibration import calibration_error
from fer_au.evaluation.slices import SplitAnswers, class_intervals, cut_slices, person_metrics, scores_of, slice_metrics
from fer_au.evaluation.traits import read_traits, stored_traits
from fer_au.glossary import look_up, metric_fault
from fer_au.landmarks.head_pose import estimate_poses
from fer_au.stores import Store, write_store
from tests.evaluation.evaluating import CONFIG, evaluate

CLASSES = ("neutral", "happiness", "anger")


def names_of(**traits: np.ndarray) -> dict[str, int]:
    return {one.name: one.n for one in cut_slices(traits)}


def answers(rng: np.random.Generator, n: int, right: float = 0.7) -> SplitAnswers:
    truth = rng.integers(0, 3, n)
    wrong = (truth + rng.integers(1, 3, n)) % 3
    predicted = np.where(rng.random(n) < right, truth, wrong)
    ccos = np.where(truth > 0, rng.normal(0.4, 0.1, n), np.nan)
    return SplitAnswers(truth, predicted, CLASSES, ccos)


def turned(*yaw_pitch: tuple[float, float]) -> dict[str, np.ndarray]:
    yaw, pitch = np.array(yaw_pitch, np.float32).reshape(-1, 2).T
    return {"yaw": yaw, "pitch": pitch, "roll": np.zeros(len(yaw), np.float32)}


def test_a_head_is_as_far_turned_as_the_larger_of_yaw_and_pitch() -> None:
    found = names_of(
        **turned((0, 0), (-15, 3), (4, -16), (30, 0), (-31, 0), (5, 44), (45, 0), (46, 2), (np.nan, np.nan))
    )
    assert found == {
        "pose.0-15": 2,
        "pose.15-30": 2,
        "pose.30-45": 3,
        "pose.over_30": 4,
        "pose.over_45": 1,
        "pose.unknown": 1,
    }


def test_pose_has_all_slices_and_other_traits_only_where_faces_differ() -> None:
    assert set(names_of(**turned((0, 0)), size=np.array([50.0]), detector=np.array([b"yunet"])).values()) == {0, 1}
    alike = names_of(
        size=np.full(4, 50.0),
        landmark_score=np.full(4, np.nan),
        landmark_residual=np.full(4, 0.1),
        skin_tone=np.zeros(4),
    )
    assert alike == {}


def test_sizes_thirds_detectors_and_skin_tones() -> None:
    values = np.arange(9, dtype=np.float32)
    found = names_of(
        size=np.array([10, 20, 21, 300, np.nan, 30, 30, 30, 30]),
        landmark_residual=values,
        landmark_score=np.where(values < 3, np.nan, values),
        detector=np.array([b"yunet"] * 8 + [b"none"]),
        skin_tone=values / 8,
    )
    assert {name: n for name, n in found.items() if name.startswith("size")} == {
        "size.0-20": 2,
        "size.20-40": 5,
        "size.over_160": 1,
        "size.unknown": 1,
    }
    assert [found[f"landmark_residual.{third}"] for third in ("low", "middle", "high")] == [3, 3, 3]
    assert [found[f"landmark_score.{third}"] for third in ("low", "middle", "high", "unknown")] == [2, 2, 2, 3]
    assert (found["detector.yunet"], found["detector.none"]) == (8, 1)
    assert [found[f"skin_tone.{tone}"] for tone in ("light", "medium", "dark")] == [3, 3, 3]


def test_scores_of_a_slice_are_those_of_its_faces_alone(rng: np.random.Generator) -> None:
    own = answers(rng, 400)
    traits = turned(*((60.0, 0.0) if k % 4 == 0 else (5.0, 0.0) for k in range(400)))
    metrics = slice_metrics(cut_slices(traits), own)
    rows = np.arange(400) % 4 == 0
    part = own.take(rows)
    assert metrics["slice.pose.over_45.n"] == 100
    assert metrics["slice.pose.over_45.n_cos"] == np.isfinite(part.att_ccos).sum()
    assert metrics["slice.pose.over_45.accuracy"] == pytest.approx((part.truth == part.predicted).mean())
    assert metrics["slice.pose.over_45.att_ccos"] == pytest.approx(macro_mean(part.att_ccos, part.labels))
    for score in ("accuracy", "balanced_accuracy", "att_ccos"):
        key = f"slice.pose.over_45.{score}"
        assert metrics[f"interval.{key}.low"] < metrics[key] < metrics[f"interval.{key}.high"]
    assert metrics["slice.pose.30-45.n"] == 0
    assert "slice.pose.30-45.accuracy" not in metrics
    assert [key for key, value in metrics.items() if metric_fault(key, float(value))] == []
    assert {look_up(key)[0] for key in metrics if key.startswith("slice.")} == {"Slices"}


def test_the_interval_of_an_accuracy_covers_the_truth_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(3), 0
    for _ in range(200):
        metrics = scores_of("", answers(rng, 150, right=0.6))
        covered += metrics["interval.accuracy.low"] <= 0.6 <= metrics["interval.accuracy.high"]
    assert 0.9 <= covered / 200 <= 0.99


def test_one_face_and_one_class_have_scores_without_intervals() -> None:
    one = SplitAnswers(np.array([1]), np.array([1]), CLASSES, np.array([0.3]))
    assert scores_of("", one) == {"n": 1, "n_cos": 1, "accuracy": 1.0, "balanced_accuracy": 1.0, "att_ccos": 0.3}
    nobody = SplitAnswers(np.zeros(0, int), np.zeros(0, int), CLASSES, np.zeros(0))
    assert scores_of("", nobody) == {"n": 0, "n_cos": 0}


def test_persons_have_a_mean_and_a_worst_one(rng: np.random.Generator) -> None:
    truth = np.repeat([0, 1, 2], 10)
    predicted = np.where(np.arange(30) < 10, truth, (truth + (np.arange(30) % 2)) % 3)
    predicted[20:] = 0
    own = SplitAnswers(truth, predicted, CLASSES, np.full(30, np.nan))
    subjects = np.repeat([b"ann", b"bob", b"eve"], 10)
    metrics = person_metrics(subjects, own)
    assert metrics["slice.subject.persons"] == 3
    assert metrics["slice.subject.mean.accuracy"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert metrics["slice.subject.worst.accuracy"] == 0
    assert metrics["slice.subject.worst.n"] == 10
    assert person_metrics(np.full(30, b"ann"), own) == {}
    assert person_metrics(np.full(30, b""), own) == {}
    assert person_metrics(None, own) == {}
    rare = person_metrics(np.array([b"%d" % (k // 2) for k in range(30)]), own)
    assert not any(".worst." in key for key in rare)


def test_classes_have_intervals(rng: np.random.Generator) -> None:
    found = class_intervals(answers(rng, 200))
    assert {key.split(".")[2] for key in found} == set(CLASSES)
    assert "interval.per_class.neutral.att_ccos.low" not in found


def test_traits_are_those_of_the_stores(tiny_dataset: Path, tiny_model: Path, tmp_path: Path) -> None:
    dataset = FaceDataset(tiny_dataset, "test", classes=CLASSES)
    traits = read_traits(dataset)
    landmarks, faces = (Store.open(tiny_dataset / f"{kind}.h5", kind) for kind in ("landmarks", "faces"))
    points, matrices = landmarks["points"][dataset.rows], faces["matrix"][dataset.rows]
    np.testing.assert_array_equal(traits["yaw"], estimate_poses(points, matrices).angles[:, 0])
    # Crops have half the pictures' pixels.
    np.testing.assert_allclose(traits["size"], 2 * np.linalg.norm(points[:, 45] - points[:, 36], axis=1), rtol=1e-5)
    metrics = evaluate(CONFIG, tiny_dataset, tiny_model, tmp_path)
    kept = stored_traits(Store.open(tmp_path / "evaluation" / "x.h5", "evaluation"))
    assert kept.keys() == traits.keys()
    for name, values in traits.items():
        np.testing.assert_array_equal(kept[name], values)
    assert metrics["slice.pose.unknown.n"] == np.isnan(traits["yaw"]).sum()
    assert sum(metrics[f"slice.pose.{part}.n"] for part in ("0-15", "15-30", "over_30", "unknown")) == metrics["n"]


def test_a_data_sets_own_pose_comes_before_that_of_the_landmarks(make_dataset, tmp_path: Path) -> None:
    folder = make_dataset({"train": 3, "test": 3})
    ids = Store.open(folder / "annotations.h5", "annotations")["id"]
    given = np.full((len(ids), 3), 50, np.float32)
    given[2] = np.nan
    write_store(folder / "annotations.h5", "annotations", {"id": ids, "pose": given}, fingerprint="p")
    dataset = FaceDataset(folder, "test", classes=CLASSES)
    yaw = read_traits(dataset)["yaw"]
    unknown = dataset.rows == 2
    assert unknown.sum() == 1
    assert (yaw[~unknown] == 50).all()
    assert abs(float(yaw[unknown][0])) < 30


def test_calibration_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.55, 0.45]])
    labels = np.array([0, 1, 1, 0])
    # Two bins: all four lie in (1/2, 1]; 3 of 4 are right, and the mean confidence is .7375.
    assert calibration_error(probabilities, labels, bins=2) == pytest.approx(0.0125)
    # Ten: (.5, .6] .55 right, (.6, .7] .7 right, (.7, .8] .8 wrong, (.8, .9] .9 right.
    assert calibration_error(probabilities, labels, bins=10) == pytest.approx((0.45 + 0.3 + 0.8 + 0.1) / 4)
    assert calibration_error(np.eye(2), np.array([0, 1])) == 0
    assert np.isnan(calibration_error(np.zeros((0, 2)), np.zeros(0, np.int64)))


def test_a_calibrated_model_has_a_small_error() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 20_000)
    labels = (rng.random(20_000) > sure).astype(np.int64)
    assert calibration_error(np.stack([sure, 1 - sure], axis=1), labels) < 0.015
    assert calibration_error(np.stack([sure**0.2, 1 - sure**0.2], axis=1), labels) > 0.1


def test_holm_corrects_in_order_and_leaves_out_what_is_undefined() -> None:
    corrected = holm([0.04, float("nan"), 0.01, 0.02, 0.9])
    assert corrected[:1] + corrected[2:] == pytest.approx([0.08, 0.04, 0.06, 0.9])
    assert np.isnan(corrected[1])
    assert holm([0.8, 0.9]) == [1.0, 1.0]
    assert holm([]) == []

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.landmarks.accuracy import (
    FAILURE_LIMIT,
    REGIONS,
    Outcome,
    Truth,
    area_under_curve,
    face_outcome,
    failure_share,
    in_eye_frame,
    measure,
    scatter,
    true_box,
    yaw_bins,
)
from fer_au.ibug68 import MEAN_FACE, N_POINTS

UNIT = 80.0
PLACE = MEAN_FACE * UNIT + [128, 100]  # the average face; its outer eye corners are 80 px apart


def truth_of(count: int, **changes: object) -> Truth:
    given = {
        "points": np.tile(PLACE, (count, 1, 1)),
        "expressions": ("happiness", "fear") * (count // 2),
        "subjects": tuple(f"person {k}" for k in range(count)),
        "yaw": np.zeros(count),
    }
    return Truth(**{**given, **changes})  # type: ignore[arg-type]


def shifted(*distances: float) -> np.ndarray:
    """The average face moved to the right by shares of the inter-ocular distance."""
    return np.stack([PLACE + np.array([distance * UNIT, 0]) for distance in distances])


def test_a_shift_is_an_error_of_its_length_in_inter_ocular_distances() -> None:
    figures = measure(shifted(0.02, 0.05, 0.08, 0.13), [Outcome.OK] * 4, truth_of(4))
    assert figures.mean == pytest.approx(0.07)
    assert figures.median == pytest.approx(0.065)
    assert figures.p95 == pytest.approx(0.08 + 0.85 * 0.05)  # rank 0.95 * 3 = 2.85
    assert figures.failed == 0.25
    assert [cell.error for cell in figures.by_region.values()] == pytest.approx([0.07] * 5)
    assert figures.by_expression["happiness"].error == pytest.approx(0.05)
    assert figures.by_expression["fear"].error == pytest.approx(0.09)
    assert list(figures.by_expression) == ["happiness", "fear"]


def test_faces_without_points_count_as_failed_and_never_as_errors() -> None:
    outcomes = [Outcome.OK, Outcome.NO_FACE, Outcome.WRONG_FACE, Outcome.NO_POINTS]
    figures = measure(shifted(0.05, 9, 9, np.nan), outcomes, truth_of(4))
    assert (figures.n, figures.no_face, figures.wrong_face, figures.no_points) == (4, 1, 1, 1)
    assert figures.mean == figures.median == figures.p95 == pytest.approx(0.05)
    assert figures.failed == 0.75
    assert figures.auc == pytest.approx(0.5 / 4)
    assert figures.by_expression["fear"] == figures.by_expression["fear"].model_copy(update={"n": 0, "error": None})
    assert figures.by_region["jaw"].n == 1


def test_no_face_at_all_has_no_errors_and_is_all_failure() -> None:
    figures = measure(shifted(0, 0), [Outcome.NO_FACE] * 2, truth_of(2))
    assert (figures.mean, figures.median, figures.p95, figures.scatter) == (None, None, None, None)
    assert (figures.failed, figures.auc) == (1.0, 0.0)


def test_regions_partition_the_points_and_an_error_stays_in_its_own() -> None:
    assert sorted(point for points in REGIONS.values() for point in points) == list(range(N_POINTS))
    found = shifted(0, 0)
    found[:, list(REGIONS["mouth"])] += [0, 0.1 * UNIT]
    errors = {name: cell.error for name, cell in measure(found, [Outcome.OK] * 2, truth_of(2)).by_region.items()}
    assert errors.pop("mouth") == pytest.approx(0.1)
    assert set(errors.values()) == {0.0}


errors_of_faces = st.lists(st.one_of(st.floats(0, 0.3), st.just(float("nan"))), min_size=1, max_size=30)


@given(errors_of_faces)
def test_the_area_is_that_below_the_cumulative_distribution(errors: list[float]) -> None:
    grid = (np.arange(20_000) + 0.5) / 20_000 * FAILURE_LIMIT
    below = [sum(error <= level for error in errors) / len(errors) for level in grid[::50]]
    coarse = statistics.fmean(below)
    assert area_under_curve(np.array(errors)) == pytest.approx(coarse, abs=1 / 400 + 1e-9)


@given(errors_of_faces)
def test_failures_are_those_above_the_limit_and_those_without_points(errors: list[float]) -> None:
    expected = sum(not error <= 0.1 for error in errors) / len(errors)
    assert failure_share(np.array(errors)) == pytest.approx(expected)


def test_yaw_is_binned_by_its_size_with_the_lower_edge_inside() -> None:
    yaw = np.array([0.0, -4.9, 5.0, -12.0, 24.9, 30.0, np.nan])
    bins = {name: np.flatnonzero(inside).tolist() for name, inside in yaw_bins(yaw).items()}
    assert bins == {"0–5°": [0, 1], "5–10°": [2], "10–15°": [3], "20–30°": [4], "30–45°": [5]}
    assert yaw_bins(np.full(3, np.nan)) == {}


@given(st.lists(st.floats(-180, 180), min_size=1, max_size=20))
def test_every_known_yaw_has_one_bin(yaw: list[float]) -> None:
    counts = np.sum(list(yaw_bins(np.array(yaw)).values()), axis=0)
    assert counts.tolist() == [1] * len(yaw)


def test_a_box_elsewhere_or_of_another_size_is_another_face() -> None:
    x0, y0, x1, y1 = box = true_box(PLACE)
    assert x1 - x0 == pytest.approx(1.64 * UNIT, rel=0.01)
    assert face_outcome(None, PLACE) is Outcome.NO_FACE
    assert face_outcome(box, PLACE) is Outcome.OK
    assert face_outcome(box + 0.3 * (x1 - x0), PLACE) is Outcome.OK
    assert face_outcome(box + 0.9 * (x1 - x0), PLACE) is Outcome.WRONG_FACE
    assert face_outcome((x0, y0, x0 + 0.3 * (x1 - x0), y0 + 0.3 * (y1 - y0)), PLACE) is Outcome.WRONG_FACE


class TestScatter:
    def test_a_constant_offset_is_forgiven_and_noise_is_not(self) -> None:
        rng = np.random.default_rng(0)
        truth = np.tile(PLACE, (40, 1, 1))
        subjects = [f"person {k // 4}" for k in range(40)]
        offset = rng.normal(0, 0.1 * UNIT, (68, 2))
        assert scatter(truth + offset, truth, subjects) == pytest.approx(0, abs=1e-9)
        noise = rng.normal(0, 0.05 * UNIT, truth.shape)
        # 36 faces of other people estimate each mean offset.
        expected = 0.05 * np.sqrt(np.pi / 2) * np.sqrt(1 + 1 / 36)
        assert scatter(truth + offset + noise, truth, subjects) == pytest.approx(expected, rel=0.03)

    def test_it_equals_the_definition_face_by_face(self) -> None:
        rng = np.random.default_rng(1)
        truth = np.stack([PLACE * s for s in (1, 2, 0.5, 1.5, 1)]) + rng.normal(0, 2, (5, 68, 2))
        found = truth + rng.normal(0, 4, (5, 68, 2))
        subjects = ["a", "a", "b", "c", "c"]
        errors = []
        own = in_eye_frame(found - truth, truth)
        for row, subject in enumerate(subjects):
            others = np.mean([own[k] for k in range(5) if subjects[k] != subject], axis=0)
            errors += [float(np.hypot(*vector)) for vector in own[row] - others]
        assert scatter(found, truth, subjects) == pytest.approx(statistics.fmean(errors))

    def test_one_person_has_none(self) -> None:
        assert scatter(shifted(0, 0), shifted(0, 0), ["a", "a"]) is None


def test_the_eye_frame_follows_the_turn_and_size_of_a_face() -> None:
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    vectors = np.random.default_rng(2).normal(0, 5, (1, 68, 2))
    plain = in_eye_frame(vectors, PLACE[None])
    np.testing.assert_allclose(in_eye_frame(3 * vectors @ turn.T, (3 * PLACE @ turn.T)[None]), plain, atol=1e-9)
    level = PLACE[None].copy()
    level[:, [36, 45]] = [[[100, 50], [180, 50]]]
    np.testing.assert_allclose(in_eye_frame(vectors, level), vectors / 80)

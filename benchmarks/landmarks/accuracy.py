"""Measure how wrong landmarks are: failures and errors of one pair, by region, expression and yaw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.expressions import ordered
from fer_au.faces.geometry import box_iou, fit_similarity, map_box
from fer_au.faces.templates import HOG_BOX
from fer_au.ibug68 import (
    BROWS,
    EYES,
    JAW,
    LEFT_EYE_OUTER,
    MEAN_FACE,
    MOUTH,
    N_POINTS,
    NOSE,
    RIGHT_EYE_OUTER,
    inter_ocular_distance,
    normalised_error,
)
from fer_au.landmarks.benchmark_results import Cell

FAILURE_LIMIT = 0.10
"""A face whose mean error is larger has failed: the usual threshold of the 300-W evaluations."""

WRONG_FACE_IOU = 0.1
"""The same rule by which alignment tells a data set's face from its neighbour."""

REGIONS: dict[str, tuple[int, ...]] = {"jaw": JAW, "brows": BROWS, "eyes": EYES, "nose": NOSE, "mouth": MOUTH}
YAW_EDGES = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, np.inf)

Floats = NDArray[np.floating]


class Outcome(Enum):
    """Outcome of the search for one face and its points."""

    OK = "ok"
    NO_FACE = "no face"
    WRONG_FACE = "wrong face"
    NO_POINTS = "no points"


@dataclass(frozen=True)
class Truth:
    """Truth about the faces of a run.

    Attributes:
        points: (N, 68, 2) xy of the pictures.
        expressions: N labels.
        subjects: N persons; a face of an unknown person is a person of its own.
        yaw: (N,) degrees, NaN where unknown.
    """

    points: Floats
    expressions: tuple[str, ...]
    subjects: tuple[str, ...]
    yaw: Floats

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: Sequence[int]) -> Truth:
        """Take some of the faces."""
        index = list(rows)
        return Truth(
            self.points[index],
            tuple(self.expressions[row] for row in index),
            tuple(self.subjects[row] for row in index),
            self.yaw[index],
        )


@dataclass(frozen=True)
class Accuracy:
    """The figures of ``PairResult`` of the same names."""

    n: int
    no_face: int
    wrong_face: int
    no_points: int
    mean: float | None
    median: float | None
    p95: float | None
    failed: float
    auc: float
    scatter: float | None
    by_region: dict[str, Cell]
    by_expression: dict[str, Cell]
    by_yaw: dict[str, Cell]


def true_box(points: Floats) -> NDArray[np.float64]:
    """Fit the box that the HOG detector would draw around a face, (68, 2) -> xyxy, through the average face."""
    return map_box(fit_similarity(MEAN_FACE, points), HOG_BOX)


def face_outcome(box: ArrayLike | None, points: Floats) -> Outcome:
    """Tell whether a found box, xyxy or None, shows the face that has these true points."""
    if box is None:
        return Outcome.NO_FACE
    return Outcome.OK if box_iou(box, true_box(points)) >= WRONG_FACE_IOU else Outcome.WRONG_FACE


def measure(found: Floats, outcomes: Sequence[Outcome], truth: Truth) -> Accuracy:
    """Compare points with the truth.

    Args:
        found: (N, 68, 2) xy of the pictures; read where the outcome is OK.
        outcomes: N outcomes.
        truth: N faces.
    """
    ok = np.array([outcome is Outcome.OK for outcome in outcomes], np.bool_)
    errors = np.full((len(truth), N_POINTS), np.nan)
    errors[ok] = normalised_error(found[ok], truth.points[ok])
    faces = errors.mean(axis=1)
    good = faces[ok]
    expressions = ordered(set(truth.expressions))
    return Accuracy(
        n=len(truth),
        no_face=sum(outcome is Outcome.NO_FACE for outcome in outcomes),
        wrong_face=sum(outcome is Outcome.WRONG_FACE for outcome in outcomes),
        no_points=sum(outcome is Outcome.NO_POINTS for outcome in outcomes),
        mean=_or_none(np.mean, good),
        median=_or_none(np.median, good),
        p95=_or_none(lambda values: np.quantile(values, 0.95), good),
        failed=failure_share(faces),
        auc=area_under_curve(faces),
        scatter=scatter(
            found[ok], truth.points[ok], [one for one, right in zip(truth.subjects, ok, strict=True) if right]
        ),
        by_region={name: _cell(errors[ok][:, list(points)].mean(axis=1)) for name, points in REGIONS.items()},
        by_expression={
            name: _cell(faces[ok & np.array([label == name for label in truth.expressions])]) for name in expressions
        },
        by_yaw={name: _cell(faces[ok & inside]) for name, inside in yaw_bins(truth.yaw).items()},
    )


def failure_share(errors: Floats, limit: float = FAILURE_LIMIT) -> float:
    """Compute the share of faces whose mean error is above the limit; NaN (no points) fails."""
    return float(np.mean(~(errors <= limit))) if len(errors) else 0.0


def area_under_curve(errors: Floats, limit: float = FAILURE_LIMIT) -> float:
    """Compute the area below the cumulative error distribution from 0 to the limit, divided by the limit.

    The distribution rises by 1/N at each error e, so that e adds (limit - e) / (N limit) if it is below the limit;
    NaN (no points) adds nothing.
    """
    if not len(errors):
        return 0.0
    return float(np.clip(1 - np.nan_to_num(errors, nan=np.inf) / limit, 0, None).mean())


def scatter(found: Floats, truth: Floats, subjects: Sequence[str]) -> float | None:
    """Compute the mean error without each point's mean offset, in inter-ocular distances.

    Every annotator and every model places brows, jaw and nose a little differently, always the same way. Offsets are
    averaged over all *other* people, in the frame of the true eye corners, so that no face corrects itself.

    Args:
        found: (N, 68, 2).
        truth: (N, 68, 2).
        subjects: N persons.

    Returns:
        None with fewer than two people.
    """
    people = sorted(set(subjects))
    if len(people) < 2:
        return None
    offsets = in_eye_frame(found - truth, truth)
    index = np.array([people.index(subject) for subject in subjects])
    sums = np.stack([offsets[index == person].sum(axis=0) for person in range(len(people))])
    counts = np.bincount(index, minlength=len(people))
    others = (sums.sum(axis=0) - sums) / (counts.sum() - counts)[:, None, None]
    return float(np.linalg.norm(offsets - others[index], axis=2).mean())


def in_eye_frame(vectors: Floats, points: Floats) -> NDArray[np.float64]:
    """Turn vectors (N, K, 2) into the frame whose x unit joins the outer eye corners of the faces (N, 68, 2)."""
    across = (points[:, LEFT_EYE_OUTER] - points[:, RIGHT_EYE_OUTER]) / inter_ocular_distance(points)[:, None]
    down = np.stack([-across[:, 1], across[:, 0]], axis=1)
    turned = np.einsum("nac,nkc->nka", np.stack([across, down], axis=1), vectors)
    return np.asarray(turned / inter_ocular_distance(points)[:, None, None], np.float64)


def yaw_bins(yaw: Floats, edges: Sequence[float] = YAW_EDGES) -> dict[str, NDArray[np.bool_]]:
    """Find the faces in each range of |yaw|: lower edge included, upper not; ranges without a face are left out."""
    size = np.abs(yaw)
    bins = {}
    for low, high in pairwise(edges):
        inside = (size >= low) & (size < high)
        if inside.any():
            bins[f"{low:g}–{high:g}°" if np.isfinite(high) else f"{low:g}° and more"] = inside
    return bins


def _cell(errors: Floats) -> Cell:
    return Cell(n=len(errors), error=_or_none(np.mean, errors))


def _or_none(statistic: Callable[[Floats], np.floating], values: Floats) -> float | None:
    return float(statistic(values)) if len(values) else None

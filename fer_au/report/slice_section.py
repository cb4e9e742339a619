"""Tabulate scores by slices of the test images, and compare experiments slice by slice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation import PairedDifference, paired_bootstrap
from fer_au.evaluation.bootstrap import holm
from fer_au.evaluation.slices import FEW, RESAMPLES, Slice, cut_slices
from fer_au.evaluation.traits import Traits, stored_traits
from fer_au.report.collect import Estimate, Experiment
from fer_au.results.differences import plain_twin

SCORES = ("accuracy", "att_ccos")
_TITLES = {
    "pose": "head turned, degrees",
    "size": "inter-ocular distance, px",
    "landmark_residual": "landmarks: residual",
    "landmark_score": "landmarks: score",
    "detector": "detector",
    "skin_tone": "skin tone",
    "subject": "person",
}


@dataclass(frozen=True)
class SliceRow:
    """Row of one slice.

    Attributes:
        trait: What its faces have in common, in words.
        part: Which part of the trait.
        n: Number of its faces.
        few: Whether they are too few to say much.
        scores: ``SCORES`` of every experiment, one after the other.
    """

    trait: str
    part: str
    n: int
    few: bool
    scores: list[Estimate]


@dataclass(frozen=True)
class SliceGaps:
    """Differences of one experiment to its plain twin in every slice.

    Attributes:
        experiment: Name of the experiment.
        reference: Name of its twin.
        rows: Trait, part, and for each of ``SCORES`` the difference and its p-value, corrected over slices (Holm).
    """

    experiment: str
    reference: str
    rows: list[tuple[str, str, list[tuple[PairedDifference, float]]]]


@dataclass(frozen=True)
class SliceTable:
    """Scores by slices, and differences to plain twins; no rows where the evaluations know of none."""

    experiments: list[str]
    rows: list[SliceRow]
    gaps: list[SliceGaps]


def slice_table(experiments: Sequence[Experiment]) -> SliceTable:
    """Tabulate slices of one data set's experiments, in the order in which they are cut, then persons."""
    names = list(dict.fromkeys(key for one in experiments for key in _slices_of(one)))
    rows = [_row(name, experiments) for name in names]
    twins = [(one, plain_twin(one, experiments)) for one in experiments]
    gaps = [_gaps(one, twin) for one, twin in twins if twin is not None]
    return SliceTable(
        [one.name for one in experiments], [row for row in rows if row.n], [one for one in gaps if one.rows]
    )


def _slices_of(experiment: Experiment) -> list[str]:
    """List the slices that an evaluation knows, in an order for readers."""
    cut = [own.name for own in cut_slices(stored_traits(experiment.results))]
    return [name for name in [*cut, "subject.worst"] if f"slice.{name}.n" in experiment.metrics]


def _row(name: str, experiments: Sequence[Experiment]) -> SliceRow:
    n = max((int(one.number(f"slice.{name}.n")) for one in experiments if f"slice.{name}.n" in one.metrics), default=0)
    keys = [f"slice.{name}.{score}" for score in SCORES]
    scores = [one.estimate(key) for one in experiments for key in keys]
    return SliceRow(*slice_words(name), n, n < FEW, scores)


def slice_words(name: str) -> tuple[str, str]:
    """Put the name of a slice into words: the trait, and which part of it."""
    trait, _, part = name.partition(".")
    return _TITLES.get(trait, trait), part.replace("over_", "over ").replace("-", "–")


def _gaps(experiment: Experiment, reference: Experiment) -> SliceGaps:
    shared = [id_ for id_ in experiment.results.ids if id_ in reference.results.index]
    own, other = (np.array([one.results.index[id_] for id_ in shared], int) for one in (experiment, reference))
    traits: Traits = {name: values[own] for name, values in stored_traits(experiment.results).items()}
    slices = [one for one in cut_slices(traits) if one.rows.any()]
    labels = np.array([experiment.labels[row] for row in own], object)
    accuracy = experiment.correct[own], reference.correct[other]
    attention = experiment.image_scores("att_ccos")[own], reference.image_scores("att_ccos")[other]
    columns = [
        [_difference(accuracy, one, None) for one in slices],
        [_difference(attention, one, labels) for one in slices],
    ]
    corrected = [holm([gap.p for gap in column]) for column in columns]
    rows = [
        (*slice_words(one.name), [(columns[k][place], corrected[k][place]) for k in range(len(columns))])
        for place, one in enumerate(slices)
    ]
    return SliceGaps(experiment.name, reference.name, rows)


def _difference(
    pair: tuple[NDArray[np.float64], NDArray[np.float64]], one: Slice, labels: NDArray[np.object_] | None
) -> PairedDifference:
    strata = None if labels is None else labels[one.rows].tolist()
    found = paired_bootstrap(pair[0][one.rows], pair[1][one.rows], RESAMPLES, strata=strata)
    if math.isfinite(found.low) and found.low == found.high:  # every resample is the same, and says nothing
        return PairedDifference(found.difference, math.nan, math.nan, math.nan, found.n, 0.0)
    return found

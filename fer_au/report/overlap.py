"""Show how much the AU maps of classes overlap, and whether it is those classes that are confused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fer_au.evaluation import PairedDifference
from fer_au.evaluation.overlap import compare_ranks
from fer_au.report.collect import Experiment
from fer_au.report.statistics import Matrix
from fer_au.results.differences import plain_twin


@dataclass(frozen=True)
class Overlap:
    """Overlap of the AU maps of classes, and its rank correlation with an experiment's confusions.

    Attributes:
        matrix: Mean cosine of the maps of two expressions on the same face.
        rho: Rank correlation over pairs of expressions.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p: p-value of Mantel's test.
        pairs: Number of pairs.
        reference: Name of the experiment's plain twin; empty if it has none.
        change: Difference to the twin's correlation; None where there is nothing to compare.
    """

    matrix: Matrix
    rho: float
    low: float
    high: float
    p: float
    pairs: int
    reference: str
    change: PairedDifference | None


def overlap_of(experiment: Experiment, experiments: Sequence[Experiment]) -> Overlap | None:
    """Read an experiment's overlap of classes; None where the evaluation has none.

    Args:
        experiment: Experiment that is shown, and compared with its plain twin.
        experiments: Experiments on its data set.
    """
    names = [name for name in experiment.classes if any(_pair_key(experiment, name, two) for two in experiment.classes)]
    if not names:
        return None
    values = np.eye(len(names))
    for (a, one), (b, two) in combinations(enumerate(names), 2):
        values[a, b] = values[b, a] = experiment.number(_pair_key(experiment, one, two) or "")
    number = experiment.number
    twin = plain_twin(experiment, experiments)
    change = compare_ranks(values, *_pairs_of(experiment, twin, names)) if twin is not None else None
    pairs = number("overlap_rank_n")
    return Overlap(
        Matrix(names, names, values),
        number("overlap_rank"),
        *experiment.interval("overlap_rank"),
        number("overlap_rank_p"),
        int(pairs) if math.isfinite(pairs) else 0,
        twin.name if twin is not None else "",
        change if change is not None and change.n else None,
    )


def _pair_key(experiment: Experiment, one: str, two: str) -> str:
    keys = (f"overlap.{one}.{two}", f"overlap.{two}.{one}")
    return next((key for key in keys if key in experiment.metrics), "")


def _pairs_of(
    experiment: Experiment, reference: Experiment, names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List true and predicted class of both experiments on the images that they share, of some true classes."""
    every = dict.fromkeys([*names, *experiment.classes, *reference.classes])
    place = {name: index for index, name in enumerate(every)}
    rows = [
        (own, reference.results.index[id_])
        for own, id_ in enumerate(experiment.results.ids)
        if id_ in reference.results.index and experiment.labels[own] in names
    ]
    found = [
        [(place[one.labels[row[side]]], place[one.predictions[row[side]]]) for row in rows]
        for side, one in enumerate((experiment, reference))
    ]
    own, other = (np.array(pairs, np.int64).reshape(-1, 2) for pairs in found)
    return own, other

"""Geometry `corrected` fits the skin that truly moves, on people that it was not fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.shared.true_motion import (
    EXPRESSIONS,
    UNITS,
    MovedFaces,
    faces_of_expressions,
    faces_of_single_units,
)
from benchmarks.truth import class_blind_maps, expression_maps, scores, unit_maps

HELD_BACK = (1, 9, 17, 25, 33)


@pytest.fixture(scope="module")
def single_units() -> MovedFaces:
    return faces_of_single_units(HELD_BACK)


@pytest.fixture(scope="module")
def expressions() -> MovedFaces:
    return faces_of_expressions((*HELD_BACK, 41, 49))


def test_every_action_unit_fits_its_motion(single_units: MovedFaces) -> None:
    found = scores(unit_maps(single_units, "corrected"), single_units)
    ccos = {name: own for name, (own, _) in found.items()}
    assert len(ccos) == len(UNITS)
    assert min(ccos.values()) >= 0.70, ccos
    assert np.mean(list(ccos.values())) >= 0.85, ccos
    assert min(auc for _, auc in found.values()) >= 0.95


def test_whole_expressions_fit_better_than_maps_that_know_no_class(expressions: MovedFaces) -> None:
    own = scores(expression_maps(expressions, "corrected"), expressions)
    assert np.mean([own[name][0] for name in EXPRESSIONS]) >= 0.74, own
    blind = class_blind_maps(expressions)
    for label, maps in blind.items():
        other = scores(maps, expressions)
        for name in EXPRESSIONS:
            assert own[name][0] > other[name][0], (label, name)


def test_a_spot_in_the_wrong_place_is_noticed(single_units: MovedFaces) -> None:
    maps = np.roll(unit_maps(single_units, "corrected"), 5, axis=1)
    assert np.mean([own for own, _ in scores(maps, single_units).values()]) < 0.6

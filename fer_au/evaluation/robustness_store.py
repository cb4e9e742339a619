"""Keep the answers to disturbed images in the evaluation store: columns below ``robustness/``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fer_au.config.robustness import Disturbance as Name
from fer_au.evaluation.disturbance_cards import CARDS, STRENGTHS
from fer_au.evaluation.robustness_metrics import CLEAN, CONTROL, Answers
from fer_au.stores.columns import ColumnSpec
from fer_au.stores.reader import Store

_FOLDER, _PREDICTED, _FIT = "robustness/", "/predicted", "/att_ccos"


def empty_answers(images: int, names: Sequence[Name]) -> dict[str, Answers]:
    """Make room for the answers to disturbances: ``clean``, each of them, and ``<name>.control`` of some."""
    found = {CLEAN: Answers.empty(images, 1)} if names else {}
    for name in names:
        found[name] = Answers.empty(images, STRENGTHS)
        if CARDS[name].control:
            found[f"{name}{CONTROL}"] = Answers.empty(images, 1)
    return found


def answer_specs(images: int, names: Sequence[Name]) -> dict[str, ColumnSpec]:
    """Give the columns that ``answer_columns`` fills."""
    return {name: ColumnSpec.of(values) for name, values in answer_columns(empty_answers(images, names)).items()}


def answer_columns(found: Mapping[str, Answers]) -> dict[str, NDArray[np.uint16] | NDArray[np.float16]]:
    """Lay out answers as columns of a store."""
    columns: dict[str, NDArray[np.uint16] | NDArray[np.float16]] = {}
    for name, answers in found.items():
        columns[f"{_FOLDER}{name}{_PREDICTED}"] = answers.predicted
        columns[f"{_FOLDER}{name}{_FIT}"] = answers.att_ccos
    return columns


def read_answers(store: Store) -> dict[str, Answers]:
    """Read the answers that an evaluation store holds; empty if it holds none."""
    names = [
        column.removeprefix(_FOLDER).removesuffix(_PREDICTED)
        for column in store.columns
        if column.startswith(_FOLDER) and column.endswith(_PREDICTED)
    ]
    return {
        name: Answers(
            np.asarray(store[f"{_FOLDER}{name}{_PREDICTED}"], np.uint16),
            np.asarray(store[f"{_FOLDER}{name}{_FIT}"], np.float16),
        )
        for name in names
    }

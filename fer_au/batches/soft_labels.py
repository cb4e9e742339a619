"""Soft labels: the shares of expressions in a face, as several people saw them, which ``target: soft`` trains on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.errors import DataError
from fer_au.expressions import parse_expression
from fer_au.stores.reader import Store

COLUMN = "soft_label"
NAMES = "soft_label_names"


def read_shares(
    path: Path, ids: Sequence[str], labels: NDArray[np.int64], classes: Sequence[str]
) -> NDArray[np.float32]:
    """Read the soft labels of faces as shares of the classes.

    What a soft label gives to expressions that are no class is left out, and the rest is scaled to 1. A face whose
    soft label is not known, or gives nothing to any class, has its one label.

    Args:
        path: ``annotations.h5`` of the data set.
        ids: N ids of the faces.
        labels: (N,) positions of their labels in ``classes``.
        classes: Expressions in class order.

    Returns:
        (N, classes) float32; each row sums to 1.

    Raises:
        DataError: The data set has no soft labels, or such that are no shares.
    """
    store = Store.open(path, "annotations")
    if COLUMN not in store:
        raise DataError(f"{path}: the data set has no column {COLUMN!r}, which target soft trains on")
    names = [parse_expression(name) for name in str(store.attributes.get(NAMES, "")).split(",")]
    soft = np.asarray(store[COLUMN], np.float32)
    if soft.ndim != 2 or soft.shape[1] != len(names) or None in names:
        raise DataError(f"{path}: column {COLUMN!r} has the shape {soft.shape}; {NAMES} must name its expressions")
    if (soft < 0).any() or np.isinf(soft).any():
        raise DataError(f"{path}: column {COLUMN!r} holds what is no share of a label")
    index = store.index
    if missing := next((id_ for id_ in ids if id_ not in index), None):
        raise DataError(f"{path}: no row for {missing!r}; run `dvc repro`")
    known = np.nan_to_num(soft[[index[id_] for id_ in ids]])
    shares = np.zeros((len(ids), len(classes)), np.float32)
    for position, name in enumerate(names):
        if name in classes:
            shares[:, list(classes).index(str(name))] += known[:, position]
    total = shares.sum(axis=1, keepdims=True)
    alone = np.eye(len(classes), dtype=np.float32)[labels]
    return np.where(total > 0, shares / np.where(total > 0, total, 1), alone).astype(np.float32)

"""``annotations.h5``: what a data set knows beside labels, brought into the manifest's order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.datasets.base import Annotations
from fer_au.errors import DataError
from fer_au.fingerprints import fingerprint
from fer_au.stores.columns import encode_ids
from fer_au.stores.writer import write_store


def write_annotations(path: Path, ids: Sequence[str], annotations: Annotations, manifest: Path) -> None:
    """Write the store: always one row per manifest row, with whatever columns the data set has.

    Args:
        path: The output.
        ids: Of the manifest, in its order.
        annotations: From the adapter, in any order.
        manifest: The manifest just written; its bytes are a part of the fingerprint.

    Raises:
        DataError: Columns and ids of the annotations differ in length, an id is repeated, or an integer column lacks a
            row.
        StoreError: The disk refuses.
    """
    columns: dict[str, NDArray[np.generic]] = {"id": encode_ids(list(ids))}
    for name, values in annotations.columns.items():
        columns[name] = _align_column(name, values, annotations.ids, ids)
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    write_store(
        path,
        "annotations",
        columns,
        fingerprint=fingerprint("annotations", 1, {"manifest": digest}),
        attributes=dict(annotations.attributes),
    )


def _align_column(
    name: str, values: NDArray[np.generic], known: Sequence[str], wanted: Sequence[str]
) -> NDArray[np.generic]:
    """Rows of ``values``, which belong to ``known`` ids, in the order of ``wanted`` ids; NaN where there is none."""
    position = {id_: row for row, id_ in enumerate(known)}
    if len(values) != len(known) or len(position) != len(known):
        raise DataError(f"annotation {name!r}: {len(values)} rows for {len(position)} distinct of {len(known)} ids")
    rows = np.array([position.get(id_, -1) for id_ in wanted], np.int64)
    if not (absent := rows < 0).any():
        return values[rows]
    if values.dtype.kind != "f":
        first = wanted[int(np.argmax(absent))]
        raise DataError(f"annotation {name!r} has no row for {first}, and {values.dtype} has no NaN to say so")
    aligned = np.full((len(wanted), *values.shape[1:]), np.nan, values.dtype)
    aligned[~absent] = values[rows[~absent]]
    return aligned

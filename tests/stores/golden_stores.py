"""Columns of one tiny store per schema version, and the files that a release wrote of them.

    python -m tests.stores.golden_stores     # write what golden/ lacks: after a schema got a new version

A file that is there is never written again: later releases must read what earlier ones wrote.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from fer_au.shards.cache import Shard
from fer_au.stores import encode_ids, pack_ragged, write_store
from fer_au.stores.columns import Array
from fer_au.stores.schemas import SCHEMAS

FOLDER = Path(__file__).parent / "golden"
FINGERPRINT = "a5" * 32
IDS = ["a/1.jpg", "b/é.png", "c/3.jpg#2"]
ROWS = len(IDS)
ATTRIBUTES: dict[str, Any] = {"image_size": 96, "template": "loose", "ratio": 0.25}


def count(*shape: int, dtype: str = "<f4") -> Array:
    """0, 1, 2, ... in a shape, the last row without values where the type has NaN."""
    values = np.arange(np.prod((ROWS, *shape))).reshape(ROWS, *shape).astype(dtype)
    if values.dtype.kind == "f":
        values[-1] = np.nan
    return values


FACES = {
    "matrix": count(2, 3, dtype="<f8"),
    "box": count(4),
    "score": count(),
    "detector": np.array([b"dlib-hog", b"provided", b"none"], "S32"),
    "status": np.array([0, 1, 2], "u1"),
    "why": np.array([b"tight", b"", b""], "S32"),
    **pack_ragged([b"first", b"\xff\xd8second", b""]),
    **pack_ragged([b"", b"context", b"c"], "context"),
}
COLUMNS: dict[str, dict[str, Array]] = {
    "fer_au.annotations/1": {"points": count(68, 2), "au": count(3), "motion": count(4, 4, dtype="u1")},
    "fer_au.truth/1": {"points": count(68, 2), "au": count(3), "pose": count(3)},
    "fer_au.faces/1": FACES,
    "fer_au.landmarks/1": {"points": count(68, 2), "score": count(), "status": np.array([0, 2, 1], "u1")},
    "fer_au.heatmaps/1": {"map": count(5, 5, dtype="u1"), "valid": np.array([True, False, True])},
    "fer_au.clusters/1": {
        "map": count(2, 2, 2, dtype="u1"),
        "table/attentive": np.array([1, 0, 1, 0], "u1"),
        "table/centres": np.arange(24, dtype="<f4").reshape(4, 2, 3),
        "table/counts": np.arange(8, dtype="<i8").reshape(4, 2),
        "table/degenerate": np.array([0, 0, 2, 1], "u1"),
    },
    "fer_au.evaluation/1": {
        "label": np.array([b"fear", b"neutral", b"anger"]),
        "probabilities": count(7),
        "cam/gradcam": count(3, 3),
    },
    "fer_au.shard/1": {"key": count(32, dtype="u1"), "points": count(68, 2)},
}


def columns_of(schema: str) -> dict[str, Array]:
    """All columns of the golden store of a schema, ids included."""
    own = {} if schema.startswith("fer_au.shard/") else {"id": encode_ids(IDS)}
    return own | COLUMNS[schema]


def golden_path(schema: str) -> Path:
    return FOLDER / f"{schema.removeprefix('fer_au.').replace('/', '-')}.h5"


def attributes_of(schema: str) -> dict[str, Any]:
    return {"operation": "golden"} if schema.startswith("fer_au.shard/") else ATTRIBUTES


def main() -> None:
    for schema in SCHEMAS.values():
        if (path := golden_path(schema.name)).exists():
            continue
        columns = columns_of(schema.name)
        if schema.kind == "shard":
            path.write_bytes(Shard.of(FINGERPRINT, "golden", columns.pop("key"), columns).data)
        else:
            write_store(path, schema.kind, columns, fingerprint=FINGERPRINT, attributes=attributes_of(schema.name))
        sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()

"""The columns of each kind of store. A store's ``schema`` attribute is ``fer_au.<kind>/<version>``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

RESERVED = ("schema", "fingerprint", "content_sha256", "fer_au_version", "rows", "beside", "sources")
"""Attributes that every store has of its own; those of release 0.1 also name the release that wrote them."""


class FaceStatus(IntEnum):
    """Column ``status`` of ``faces.h5``."""

    OK = 0
    WHOLE_IMAGE = 1  # no face found: the whole picture was taken, as align.on_missing says
    REJECTED = 2  # no crop; data is empty
    PLACED = 3  # no face found: the picture was cut where the set's found faces usually lie, as align.on_missing says


class LandmarkStatus(IntEnum):
    """Column ``status`` of ``landmarks.h5``."""

    OK = 0
    NO_FACE = 1  # the face row was rejected: there is no crop
    NOT_FOUND = 2  # the extractor found no points; they are NaN


@dataclass(frozen=True)
class Schema:
    """A kind of store.

    Attributes:
        kind: Name of the kind: ``faces``, ``landmarks``, ...
        version: Number that is raised when a reader of the old form would misread the new one.
        columns: Required columns, name -> (numpy kind letters allowed, row shape; -1 stands for any size).
        ragged: Whether rows of bytes are held in the flat column ``data``, bounded by ``offset`` (rows + 1).
        open_columns: Whether further columns may appear (their names and shapes depend on the data).
        whole: Reason why the rows of two stores don't belong into one, however alike their attributes are; empty if
            they do, as rows that are computed one by one.
        free: Attributes that may differ between stores whose rows belong into one, which then has none of them.
        tables: Required columns that belong to the store as a whole and have rows of their own; given like ``columns``.
        optional: Columns that stores of earlier releases lack, and that follow from others; given like ``columns``.
    """

    kind: str
    version: int
    columns: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    ragged: bool = False
    open_columns: bool = False
    whole: str = ""
    free: tuple[str, ...] = ()
    tables: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    optional: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The value of the ``schema`` attribute."""
        return f"fer_au.{self.kind}/{self.version}"


_ID: dict[str, tuple[str, tuple[int, ...]]] = {"id": ("S", ())}

SCHEMAS: dict[str, Schema] = {
    schema.kind: schema
    for schema in (
        Schema("annotations", 1, _ID, open_columns=True),
        Schema("truth", 1, _ID, open_columns=True),
        Schema(
            "faces",
            1,
            {
                **_ID,
                "matrix": ("f", (2, 3)),
                "box": ("f", (4,)),
                "score": ("f", ()),
                "detector": ("S", ()),
                "status": ("u", ()),
            },
            ragged=True,
            open_columns=True,
            free=("place",),
        ),
        Schema(
            "landmarks",
            1,
            {**_ID, "points": ("f", (68, 2)), "score": ("f", ()), "status": ("u", ())},
            optional={"pose": ("f", (3,)), "pose_residual": ("f", ())},
        ),
        Schema("heatmaps", 1, {**_ID, "map": ("u", (-1, -1)), "valid": ("b", ())}),
        Schema(
            "clusters",
            1,
            {**_ID, "map": ("u", (2, -1, -1))},
            whole="its rows belong to the clusters of one model's features",
            tables={
                "table/centres": ("f", (2, -1)),
                "table/counts": ("i", (2,)),
                "table/attentive": ("u", ()),
                "table/degenerate": ("u", ()),
            },
        ),
        Schema(
            "evaluation",
            1,
            {**_ID, "label": ("S", ()), "probabilities": ("f", (-1,))},
            open_columns=True,
            whole="it is what one model answers on one split; compare models by `fer-au results`",
        ),
        Schema(
            "shard", 1, {"key": ("u", (32,))}, open_columns=True, whole="it is a file of the cache, which has no ids"
        ),
    )
}

"""Two values of each key that adapters of single data sets have of their own."""

from __future__ import annotations

from tests.datasets.miniatures.union import ENTRY as UNION
from tests.effects.keys import Case

FRONT = {"adapter": "kdef", "root": "KDEF", "views": ["straight"], "folds": 0}

OFFICIAL: dict[str, dict[str, Case]] = {
    "affectnet": {
        "classes": Case(8, 7),
        "validation": Case("test", "valid"),
        "annotations": Case(True, False),
    },
    "ckplus": {
        "folds": Case(10, 5),
        "last_frames": Case(3, 1),
        "first_as_neutral": Case(False, True),
    },
    "disfa": {
        "folds": Case(3, 2),
        "camera": Case("left", "right"),
        "every": Case(1, 2),
        "present": Case(2, 4, {"every": 1}),
    },
    "expw": {"min_confidence": Case(0.0, 70.0)},
    "fer2013": {},
    "ferplus": {"mode": Case("majority", "plurality")},
    "jaffe": {"folds": Case(10, 0)},
    "kdef": {
        "folds": Case(10, 5),
        "views": Case(["straight"], ["straight", "half-left"]),
        "series": Case(["A", "B"], ["A"]),
    },
    "rafdb": {"pictures": Case("aligned", "original")},
    "sfew": {"pictures": Case("original", "aligned")},
    "union": {
        "sets": Case(UNION["sets"], {**UNION["sets"], "kdef": FRONT}),
        "classes": Case("common", ["fear", "anger"], {"sets": UNION["sets"]}),
    },
    "video": {
        "columns.clip": Case("clip", "twin", {"labels": "clips.csv"}),
        "columns.start": Case(None, "from", {"labels": "clips.csv"}),
        "columns.end": Case(None, "to", {"labels": "clips.csv"}),
        "every": Case(6, 5),
        "fps": Case(None, 5.0),
        "max_frames": Case(None, 1),
    },
    "tfeid": {"folds": Case(10, 5), "views": Case(["front"], ["profile"])},
}

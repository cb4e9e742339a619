"""Figures of the public models: a CSV with one row for each model and set, and the table of the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.public_models.measuring import Answers, Measured
from fer_au.atomic import write_atomically
from fer_au.classification import confusion_matrix
from fer_au.evaluation.bootstrap import bootstrap_recall, bootstrap_share
from fer_au.expressions import EXPRESSIONS

RESULTS = Path("benchmarks/results/public_models.csv")
START, END = "<!-- table, by python -m benchmarks.public_models -->", "<!-- end of table -->"
Row = Mapping[str, str]
_BLIND = ("blank", "gaussian", "face", "generic")
_MAPS = {"occlusion": ("att_ccos", "att_class_rank", "att_auc"), "layercam": ("cam_ccos.layercam",)}


def rows_of(measured: Measured) -> Row:
    """Make the row of one model on one set."""
    model, package = measured.model, measured.model.package
    row: dict[str, str] = {
        "set": measured.dataset,
        "model": model.name,
        "package": f"{package.name} {package.version}",
        "template": measured.template,
        "tried": "; ".join(f"{name} {found.right.mean():.3f}" for name, found in measured.tried.items()),
        "classes": " ".join(measured.classes),
        "seen": " ".join(model.seen),
    }
    row |= {**_recognition(measured.test, ""), **_recognition(measured.tried[measured.template], "train_")}
    shares = np.bincount(measured.test.labels, minlength=len(measured.classes)) / len(measured.test.labels)
    row |= {"chance": _text(1 / np.count_nonzero(shares)), "most_frequent": _text(shares.max())}
    matrix = confusion_matrix(measured.test.labels, measured.test.answers, len(measured.classes))
    for name in EXPRESSIONS:
        place = measured.classes.index(name) if name in measured.classes else None
        known = place is not None and matrix[place].sum()
        row[f"recall_{name}"] = _text(matrix[place, place] / matrix[place].sum()) if known else ""
    return row | _looking(measured)


def _recognition(given: Answers, prefix: str) -> dict[str, str]:
    right, classes = given.right, int(max(given.labels.max(), given.answers.max())) + 1
    matrix = confusion_matrix(given.labels, given.answers, classes)
    support = matrix.sum(axis=1)
    recall = (np.diag(matrix)[support > 0] / support[support > 0]).mean()
    shares = {"accuracy": (right.mean(), bootstrap_share(right)), "balanced": (recall, bootstrap_recall(matrix))}
    row = {f"{prefix}n": str(len(right))}
    for name, (value, (low, high)) in shares.items():
        row |= {f"{prefix}{name}": _text(value), f"{prefix}{name}_low": _text(low), f"{prefix}{name}_high": _text(high)}
    return row


def _looking(measured: Measured) -> dict[str, str]:
    """Say where the model looks: by occlusion, and by layercam at its last layer, each beside its references."""
    own, cams = measured.occlusion, measured.metrics
    row = {"occlusion_n": str(own["n_cos"]), "layercam_n": str(cams["n_cos"]), "layercam_grid": str(cams["att_grid"])}
    keys = {
        "ccos": "att_ccos", "ccos_low": "interval.att_ccos.low", "ccos_high": "interval.att_ccos.high",
        "auc": "att_auc", "rank": "att_class_rank", "background": "region.background",
        "ceiling": "ceiling.att_ccos", "class_mean": "baseline.class_mean.att_ccos",
    }  # fmt: skip
    row |= {f"occlusion_{name}": _text(own.get(key)) for name, key in keys.items()}
    row |= {f"occlusion_{name}_map": _text(own.get(f"baseline.{name}.att_ccos")) for name in _BLIND}
    row["layercam_ccos"] = _text(cams.get("cam_ccos.layercam"))
    row |= {f"layercam_{name}_map": _text(cams.get(f"baseline.{name}.att_ccos")) for name in _BLIND}
    row["layercam_class_mean"] = _text(cams.get("baseline.class_mean.att_ccos"))
    row["layercam_ceiling"] = _text(cams.get("ceiling.att_ccos"))
    return row


def _text(value: object) -> str:
    return f"{float(value):.3f}" if isinstance(value, int | float | np.floating) and np.isfinite(value) else ""


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the CSV."""
    content = io.StringIO()
    writer = csv.DictWriter(content, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, content.getvalue().encode())


def write_page(path: Path, rows: Sequence[Row]) -> None:
    """Write."""

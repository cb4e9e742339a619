"""Figures of the public models: a CSV with one row for each model and set, and the table of the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.public_models.catalogue import MODELS, OTHER_KINDS, WITHOUT_WEIGHTS
from benchmarks.public_models.measuring import Answers, Measured
from fer_au.atomic import write_atomically
from fer_au.classification import confusion_matrix
from fer_au.errors import DataError
from fer_au.evaluation.bootstrap import bootstrap_recall, bootstrap_share
from fer_au.expressions import EXPRESSIONS

RESULTS = Path("benchmarks/results/public_models.csv")
START, END = "<!-- table, by python -m benchmarks.public_models -->", "<!-- end of table -->"
Row = Mapping[str, str]
_BLIND = ("blank", "gaussian", "face", "generic")
BEST_FACES = {"fer2013-sample": (".723", ".628"), "faces-in-the-wild": (".683", ".568")}
"""Accuracy and balanced accuracy of the preset ``best-faces`` on sets of these names, one seed: docs/presets.md."""
_REFERENCES = {
    "occlusion_gaussian_map": "Gaussian in the middle",
    "occlusion_face_map": "mask of the face",
    "occlusion_generic_map": "all action units of the face",
    "occlusion_class_mean": "class mean",
    "occlusion_ceiling": "ceiling of the grid",
}


def row_of(measured: Measured) -> Row:
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


def read_rows(path: Path) -> list[Row]:
    """Read the CSV of runs before; none where there is no file.

    Raises:
        DataError: It is no such file.
    """
    if not path.exists():
        return []
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: no table of such results: {error}") from error
    if any(not row.get("set") or not row.get("model") for row in rows):
        raise DataError(f"{path}: no table of such results: a row lacks its set or its model")
    return list(rows)


def merge_rows(before: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Replace the rows of the same sets and models, and order all by set, and by model as the catalogue has them."""
    found = {(row["set"], row["model"]): row for row in [*before, *new]}
    sets = list(dict.fromkeys(name for name, _ in found))
    names = [model.name for model in MODELS]
    place = {name: number for number, name in enumerate([*names, *(name for _, name in found if name not in names)])}
    return sorted(found.values(), key=lambda row: (sets.index(row["set"]), place[row["model"]]))


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the CSV."""
    content = io.StringIO()
    writer = csv.DictWriter(content, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, content.getvalue().encode())


def write_page(path: Path, rows: Sequence[Row]) -> None:
    """Write the tables of a page, between its marks; what else stands there stays.

    Raises:
        DataError: The page lacks the marks.
    """
    text = path.read_text(encoding="utf-8")
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise DataError(f"{path}: lacks the lines {START} and {END}, between which the tables stand")
    tables = "\n\n".join(
        [*(page_table(rows, name) for name in dict.fromkeys(row["set"] for row in rows)), model_table(), list_others()]
    )
    write_atomically(path, f"{before}{START}\n\n{tables}\n\n{END}{after}".encode())


def page_table(rows: Sequence[Row], dataset: str) -> str:
    """Make the two tables of a set: recognition and looking; and recall, class by class."""
    own = [row for row in rows if row["set"] == dataset]
    first = own[0]
    count = f"{first['n']} test faces; occlusion on {first['occlusion_n']} of them"
    lines = [
        f"## {dataset}: {count}",
        "",
        "| model | accuracy | balanced | on its training part | occlusion `att_ccos` | class rank | background |",
        "|---|---|---|---|---|---|---|",
        f"| *every answer alike* | *{_short(first['most_frequent'])}* | *{_short(first['chance'])}* | | | | |",
    ]
    for row in own:
        known = " †" if "FER2013" in row["seen"] and "fer2013" in dataset else ""
        cells = [
            f"{row['model']}{known}",
            _interval(row, "accuracy"),
            _interval(row, "balanced"),
            f"{_short(row['train_accuracy'])} (n {row['train_n']})",
            _interval(row, "occlusion_ccos") + _other_count(row, first),
            _short(row["occlusion_rank"]),
            _short(row["occlusion_background"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if dataset in BEST_FACES:
        accuracy, balanced = BEST_FACES[dataset]
        lines.append(f"| `best-faces`, trained on the training part | {accuracy} | {balanced} | | | | |")
    for key, name in _REFERENCES.items():
        values = [float(row[key]) for row in own if row[key]]
        lines.append(f"| *{name}* | | | | *{_range(values)}* | | |")
    names = [name for name in EXPRESSIONS if any(row[f"recall_{name}"] for row in own)]
    lines += ["", f"| recall | {' | '.join(names)} | template, on the training part |", "|---" * (len(names) + 2) + "|"]
    for row in own:
        recalls = (_short(row[f"recall_{name}"]) for name in names)
        lines.append(f"| {row['model']} | {' | '.join(recalls)} | {row['tried'].replace(' 0.', ' .')} |")
    return "\n".join(lines)


def model_table() -> str:
    """Make the table of what is known of the models."""
    lines = [
        "## The models",
        "",
        "| model | package | licence | file, sha256 | input | outputs | training data |",
        "|---|---|---|---|---|---|---|",
    ]
    for model in MODELS:
        package, (name, digest) = model.package, list(model.files.items())[-1]
        carriers = ", ".join([f"{package.name} {package.version}", *model.also_in])
        given = f"{model.input['size']} px, {model.input['channels']}"
        trained = "; ".join(one for one in (model.trained_on, model.notes) if one)
        cells = [model.name, f"{package.registry}: {carriers}", package.licence]
        cells += [f"`{Path(name).name}` `{digest[:12]}...`", given, ", ".join(model.classes), trained]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def list_others() -> str:
    """List the packages that were looked into, and not measured."""
    lines = [
        "## Looked into, and not measured",
        "",
        "No weights of such a classifier inside; most fetch them when they run:",
        "",
    ]
    lines += [f"* {one}" for one in WITHOUT_WEIGHTS]
    return "\n".join([*lines, "", "Others:", "", *(f"* {one}" for one in OTHER_KINDS)])


def _short(value: str) -> str:
    """Leave out the zero in front."""
    return value.replace("0.", ".", 1) if value.lstrip("-").startswith("0.") else value


def _interval(row: Row, key: str) -> str:
    low, high = (_short(row[f"{key}_{end}"]) for end in ("low", "high"))
    return f"{_short(row[key])} [{low}, {high}]"


def _other_count(row: Row, first: Row) -> str:
    return "" if row["occlusion_n"] == first["occlusion_n"] else f" (n {row['occlusion_n']})"


def _range(values: Sequence[float]) -> str:
    low, high = (_short(_text(one)) for one in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"

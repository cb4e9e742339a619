"""What a data set holds, in lines for people: faces per class and split, what can't be used by name, and remedies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import get_args

from fer_au.config.data import DatasetConfig
from fer_au.datasets.files import first_names
from fer_au.datasets.labels import LabelledConfig, unknown_label
from fer_au.datasets.manifest import ManifestRow, Split
from fer_au.expressions import EXPRESSIONS, ordered
from fer_au.rejects import Reason, Reject
from fer_au.yaml_files import dump_inline

SPLITS: tuple[Split, ...] = get_args(Split)
_NEAR = 0.7  # how alike a label and an expression must be to be named together: Angst is no disgust

_EMPTY: dict[Split, str] = {
    "train": "no experiment can train on it",
    "valid": "training looks for its best epoch there; set valid_fraction, such as 0.1",
    "test": "evaluate scores its faces; set test_fraction, such as 0.2",
}


def count_table(rows: Sequence[ManifestRow]) -> list[str]:
    """Lay out the numbers of faces: a line for each class, a column for each split."""
    counts = Counter((row.label, row.split) for row in rows)
    lines = [["faces", *SPLITS, "all"]]
    for label in ordered(row.label for row in rows):
        numbers = [counts[label, split] for split in SPLITS]
        lines.append([label, *map(str, numbers), str(sum(numbers))])
    totals = [sum(row.split == split for row in rows) for split in SPLITS]
    lines.append(["all", *map(str, totals), str(len(rows))])
    first = max(len(cells[0]) for cells in lines)
    return [cells[0].ljust(first) + "".join(cell.rjust(8) for cell in cells[1:]) for cells in lines]


def count_line(rows: Sequence[ManifestRow]) -> str:
    """Say in one line how many faces each split has of each class."""
    counts = Counter((row.split, row.label) for row in rows)
    parts = []
    for split in SPLITS:
        classes = [f"{label} {counts[split, label]}" for label in EXPRESSIONS if counts[split, label]]
        total = sum(row.split == split for row in rows)
        parts.append(f"{split} {total} ({', '.join(classes)})" if total else f"{split} 0")
    return f"{len(rows)} faces: {'; '.join(parts)}"


def reject_lines(rejects: Sequence[Reject], config: DatasetConfig) -> list[str]:
    """Say what can't be used: a line for each reason, the most frequent first, with labels or files by name."""
    if not rejects:
        return ["rejected: none"]
    found: dict[Reason, list[Reject]] = defaultdict(list)
    for reject in sorted(rejects):
        found[reject.reason].append(reject)
    lines = []
    for reason, items in sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        if reason is Reason.UNKNOWN_LABEL:
            names, remedy = _unknown_labels(items, config)
        else:
            names, remedy = [item.id for item in items], ""
        lines.append(f"rejected: {len(items)} {reason.value}: {first_names(names)}{remedy}")
    return lines


def _unknown_labels(items: Sequence[Reject], config: DatasetConfig) -> tuple[list[str], str]:
    """List unknown labels with their numbers and near expressions, and how to name what they mean."""
    labels = Counter(unknown_label(item.detail) for item in items)
    names, meant = [], {}
    for label, count in sorted(labels.items(), key=lambda pair: (-pair[1], pair[0])):
        near = get_close_matches(label.casefold(), EXPRESSIONS, n=1, cutoff=_NEAR)
        meant[label] = near[0] if near else "EXPRESSION"
        names.append(f"{label} ({count}{f', {near[0]}?' if near else ''})")
    if not isinstance(config, LabelledConfig):
        return names, ""
    example = dump_inline(dict(list(meant.items())[:2])).removesuffix("}")
    example += ", ...}" if len(meant) > 2 else "}"
    return names, f"; say what they mean, `label_map: {example}` (null leaves a label out)"


def empty_split_lines(rows: Sequence[ManifestRow], config: DatasetConfig) -> Iterator[str]:
    """Say which splits are empty and not asked for, with the remedy; a set with folds makes its splits of them."""
    if any(row.fold for row in rows):
        return
    wished = {"train": 0.0, "valid": config.valid_fraction, "test": config.test_fraction}
    for split in SPLITS:
        if rows and not wished[split] and all(row.split != split for row in rows):
            yield f"split {split} is empty: {_EMPTY[split]}"

"""What a data set holds, in lines for people: faces per class and split, what can't be used by name, and remedies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from textwrap import shorten
from typing import get_args

from fer_au.config.data import DatasetConfig
from fer_au.datasets.copies import copy_lines
from fer_au.datasets.files import first_names, printable
from fer_au.datasets.labels import NO_ROW, LabelMapConfig, unknown_label
from fer_au.datasets.leaks import Group
from fer_au.datasets.manifest import ManifestRow, Split
from fer_au.datasets.spelling import code
from fer_au.datasets.tally import FEW_TO_SELECT, SplitFault, Tally, find_split_fault
from fer_au.expressions import EXPRESSIONS
from fer_au.picture_formats import CONVERT, READ
from fer_au.rejects import Reason, Reject, loses_too_many
from fer_au.terminal import counted
from fer_au.yaml_files import dump_inline

SPLITS: tuple[Split, ...] = get_args(Split)
_NEAR = 0.7  # how alike a label and an expression must be to be named together: Angst is no disgust

_MAPPED = 8  # labels in an example of label_map: as many as there are expressions
_DETAILS = 3  # details of rejects in a line
_MANY = 10  # items; a list of as many others says no more than their number
_LONGEST = 160  # characters of a detail

_REMEDIES = {
    Reason.MISSING_FILE: "; looked up below {root}",
    Reason.UNSUPPORTED_FORMAT: f"; {CONVERT}",
    Reason.NOT_AN_IMAGE: f"; read are {READ}",
    Reason.TRUNCATED: "; copy or download them again",
    Reason.LEAK: "; they are not trained on",
    Reason.BAD_POINTS: "; these faces stay in the set, without points",
}
"""Reason -> what to do, where that is the same for all items."""


def count_line(rows: Sequence[ManifestRow]) -> str:
    """Say in one line how many faces each split has of each class."""
    counts = Counter((row.split, row.label) for row in rows)
    parts = []
    for split in SPLITS:
        classes = [f"{label} {counts[split, label]}" for label in EXPRESSIONS if counts[split, label]]
        total = sum(row.split == split for row in rows)
        parts.append(f"{split} {total} ({', '.join(classes)})" if total else f"{split} 0")
    return f"{counted(len(rows), 'face')}: {'; '.join(parts)}"


def survey_lines(
    notes: Sequence[str],
    rows: Sequence[ManifestRow],
    rejects: Sequence[Reject],
    groups: Sequence[Group],
    config: DatasetConfig,
) -> list[str]:
    """Say what a look at a data set found, besides the numbers of faces.

    Args:
        notes: Lines about files passed over and choices made.
        rows: Rows of the manifest.
        rejects: Items that can't be used.
        groups: Faces of one photograph, and of one person.
        config: Entry of the data set.
    """
    splits = (*split_lines(rows, config), *small_split_lines(rows))
    return [*notes, *reject_lines(rejects, config), *splits, *copy_lines(groups)]


def reject_lines(rejects: Sequence[Reject], config: DatasetConfig) -> list[str]:
    """Say what can't be used: a line for each reason, the most frequent first, with details, labels and files.

    Args:
        rejects: Items that can't be used.
        config: Entry of the data set.
    """
    if not rejects:
        return ["rejected: none"]
    found: dict[Reason, list[Reject]] = defaultdict(list)
    for reject in sorted(rejects):
        found[reject.reason].append(reject)
    lines = []
    for reason, items in sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        if reason is Reason.UNKNOWN_LABEL:
            names, remedy = name_unknown_labels(Counter(unknown_label(item.detail) for item in items), config)
            details = ""
        else:
            names, remedy = [item.id for item in items], _REMEDIES.get(reason, "").format(root=config.root)
            details = _frequent_details([item.detail.partition(";")[0] if remedy else item.detail for item in items])
        named = first_names(names)
        missing = len(found.get(Reason.MISSING_FILE, ()))
        if _MANY < len(items) <= missing and all(item.detail == NO_ROW for item in items):  # one cause
            named = "no more than are missing, so the rows may mean these by other names"
        lines.append(f"rejected: {len(items)} {reason.value}{details}: {named}{remedy}")
    return lines


def _frequent_details(details: Sequence[str]) -> str:
    """Write the most frequent details, in brackets; with numbers where there are several."""
    counts = Counter(shorten(detail, _LONGEST, placeholder=" ...") for detail in details if detail.strip())
    found = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if not found:
        return ""
    if len(found) == 1 and found[0][1] == len(details):
        return f" ({printable(found[0][0])})"
    more = [f"{len(found) - _DETAILS} other reasons"] if len(found) > _DETAILS else []
    return printable(f" ({'; '.join([*(f'{number}: {text}' for text, number in found[:_DETAILS]), *more])})")


def name_unknown_labels(labels: Mapping[str, int], config: DatasetConfig) -> tuple[list[str], str]:
    """List unknown labels with their numbers and near expressions, and how to name what they mean.

    Args:
        labels: Label -> number of faces.
        config: Entry of the data set.
    """
    names, meant = [], {}
    spellings: dict[str | Decimal, list[str]] = defaultdict(list)
    for label in sorted(labels, key=lambda label: (-labels[label], label)):
        spellings[code(label)].append(label)
    merged = {same[0]: sum(labels[label] for label in same) for same in spellings.values()}
    for label, count in sorted(merged.items(), key=lambda pair: (-pair[1], pair[0])):
        near = get_close_matches(label.casefold(), EXPRESSIONS, n=1, cutoff=_NEAR)
        meant[label] = near[0] if near else "EXPRESSION"
        names.append(f"{label} ({count}{f', {near[0]}?' if near else ''})")
    if not isinstance(config, LabelMapConfig):
        return names, ""
    example = example_map(meant)
    return names, f"; say what they mean, `label_map: {example}` (null leaves a label out)"


def example_map(meant: Mapping[str, str]) -> str:
    """Write the first entries of a ``label_map``, numbers without quotes.

    Example:
        >>> example_map({"Freude": "happiness", "3": "EXPRESSION"})
        '{Freude: happiness, 3: EXPRESSION}'
    """
    first = {int(key) if key == str(_number(key)) else key: value for key, value in list(meant.items())[:_MAPPED]}
    return dump_inline(first).removesuffix("}") + (", ...}" if len(meant) > _MAPPED else "}")


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and text.isascii() else None


def lost_labels_line(tally: Tally, config: DatasetConfig) -> str:
    """Say that ingest will refuse a data set for its labels, before a picture is opened; empty if it may not.

    Pictures that can't be used come on top, so that what is refused here can't pass there.

    Args:
        tally: Numbers of the listed faces.
        config: Entry of the data set.
    """
    lost, total = sum(tally.unknown.values()), sum(tally.unknown.values()) + sum(tally.faces.values())
    if not total:
        return f"no labelled picture below {config.root}"
    if not loses_too_many(lost, total, config.max_reject_fraction):
        return ""
    labels, remedy = name_unknown_labels(tally.unknown, config)
    return (
        f"{lost} of {total} faces have a label that names no expression, and max_reject_fraction is "
        f"{config.max_reject_fraction:.1%}: {first_names(labels)}{remedy}"
    )


def untrainable_line(rows: Sequence[ManifestRow]) -> str:
    """Say why every training on a data set would fail under the usual settings; empty if it wouldn't.

    A set without a training part is one to test on. One with folds makes its splits of them.
    """
    for split, fault in _split_faults(rows):
        if split == "train" and fault.empty:
            return ""
        if split != "test":
            return _split_line(split, fault)
    return ""


def split_lines(rows: Sequence[ManifestRow], config: DatasetConfig) -> Iterator[str]:
    """Say what training and evaluation refuse of the splits, with the remedy; a wish that failed has a note of its own.

    A set with folds makes its splits of them.
    """
    wished = {"train": 0.0, "valid": config.valid_fraction, "test": config.test_fraction}
    for split, fault in _split_faults(rows):
        if not (fault.empty and wished[split]):
            yield _split_line(split, fault)


def small_split_lines(rows: Sequence[ManifestRow]) -> Iterator[str]:
    """Say that the split that selects an epoch has so few faces that chance does; one of folds is not looked at."""
    trained = {row.label for row in rows if row.split == "train"}
    number = sum(row.split == "valid" and row.label in trained for row in rows)
    if 0 < number < FEW_TO_SELECT and not any(row.fold for row in rows):
        yield (
            f"split valid has {counted(number, 'face')}: below {FEW_TO_SELECT}, it is chance which epoch is best "
            "there; raise valid_fraction, or add pictures"
        )


def _split_faults(rows: Sequence[ManifestRow]) -> Iterator[tuple[Split, SplitFault]]:
    tally = Tally.of(rows)
    classes = tally.classes()
    for split in SPLITS if rows and not tally.folds else ():
        if fault := find_split_fault(split, classes[split], classes["train"]):
            yield split, fault


def _split_line(split: Split, fault: SplitFault) -> str:
    remedy = "" if split == "train" and fault.empty else f"; {fault.remedy}"
    return f"split {split} {fault.what}: {fault.why}{remedy}"

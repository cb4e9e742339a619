"""Label files: their texts as canonical values, their rows as records, and the keys that adapters share.

Repeated rows are merged; contradicting ones, and pictures that no row names, are rejected.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import lru_cache
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from fer_au.config.data import DatasetConfig
from fer_au.config.unread import no_effect
from fer_au.datasets.base import LayoutError, Record, Scan
from fer_au.datasets.files import Listing
from fer_au.datasets.manifest import Split
from fer_au.datasets.spelling import code, plain, says_nothing
from fer_au.datasets.tally import Place, Tally
from fer_au.expressions import EXPRESSIONS, parse_expression
from fer_au.rejects import Reason, Reject

Fault = tuple[Reason, str]

_SHOWN = 5  # labels in a message
NO_ROW = "in no row of the label file"
_BEFORE, _AFTER = "label '", "' names no expression; see label_map"

_NA = "na"  # of R; elsewhere it may be somebody's initials
_BETWEEN = re.compile(r"[\s_-]+")
_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "development": "valid",
    "publictest": "valid",  # of FER2013, whose PrivateTest is what papers report
    "test": "test",
    "testing": "test",
    "privatetest": "test",
}


def _refuse_booleans(value: object) -> object:
    """Refuse truth values among the keys of a mapping, which would count as the codes 0 and 1.

    Raises:
        ValueError: A key is one; the message says how to write it.
    """
    for key in value if isinstance(value, Mapping) else ():
        if isinstance(key, bool):
            word = str(key).lower()
            raise ValueError(f"{word} is a truth value as a key; a label of this name needs quotes: '{word}'")
    return value


_NO_BOOLEANS = BeforeValidator(_refuse_booleans)


class LabelMapConfig(DatasetConfig):
    """Keys of every adapter that reads labels.

    Attributes:
        label_map: Mapping from the data set's own labels or codes to expressions (``{1: surprise, 2: fear}``); null
            leaves a label out. Labels that it doesn't name are read as expression names, and words such as NaN, None
            and N/A as no label. Upper and lower case, blanks and Unicode forms make no difference, and 3, 03 and 3.0
            are one code. Adapters of one data set know its codes; entries are laid over them.
    """

    label_map: Annotated[dict[str | int, str | None], _NO_BOOLEANS] = Field(default_factory=dict)

    @field_validator("label_map")
    @classmethod
    def _known_expressions(cls, value: dict[str | int, str | None]) -> dict[str | int, str | None]:
        for key, name in value.items():
            if name is not None and parse_expression(name) is None:
                raise ValueError(f"{key}: {name!r} is no expression (known: {', '.join(EXPRESSIONS)}, or null)")
        _refuse_two_meanings("label", value, {key: parse_expression(name or "") for key, name in value.items()})
        return value


class LabelledConfig(LabelMapConfig):
    """Keys of every adapter that reads labels as text, and persons from names of files.

    Attributes:
        subject_pattern: Regular expression that finds the person in a picture's file name without its suffix, or, if it
            contains ``/``, in its path below the root. The first group counts, or the whole match without a group.
    """

    subject_pattern: str | None = None

    @field_validator("subject_pattern")
    @classmethod
    def _valid_pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from error
        return value


class SplitLabelledConfig(LabelledConfig):
    """Keys of an adapter that reads splits as text, too.

    Attributes:
        split_map: Mapping from the data set's own names of splits to ``train``, ``valid`` and ``test``, as
            ``{0: train, 1: valid, 2: test}``. Names that it doesn't hold are read as the usual ones: train, val, dev,
            test_set, FER2013's PublicTest (valid) and PrivateTest (test), and others like them.
    """

    split_map: Annotated[dict[str | int, Split], _NO_BOOLEANS] = Field(default_factory=dict)

    @field_validator("split_map")
    @classmethod
    def _one_meaning(cls, value: dict[str | int, Split]) -> dict[str | int, Split]:
        _refuse_two_meanings("split", value, value)
        return value


def _refuse_two_meanings(
    what: str, written: Mapping[str | int, str | None] | Mapping[str | int, Split], meanings: Mapping[str | int, object]
) -> None:
    first: dict[str | Decimal, str | int] = {}
    for key, meaning in meanings.items():
        same = first.setdefault(code(str(key)), key)
        if meaning != meanings[same]:
            both = f"{same!r} and {key!r}" if str(same).split() == str(key).split() else f"{same} and {key}"
            raise ValueError(f"{both} are one {what}, and mean {written[same] or 'null'} and {written[key] or 'null'}")


def parse_split(text: str, split_map: Mapping[str | int, Split] = MappingProxyType({})) -> Split | None:
    """Read the name of a split in any case, with the usual synonyms; None if it names none.

    Args:
        text: The name.
        split_map: Meaning of names, see ``SplitLabelledConfig.split_map``.
    """
    own = {code(str(key)): split for key, split in split_map.items()}
    word = _BETWEEN.sub("", text.strip().lower())
    return own.get(code(text)) or _SPLIT_NAMES.get(word) or _SPLIT_NAMES.get(word.removesuffix("set"))


def parse_label(text: str, label_map: Mapping[str | int, str | None]) -> str | Fault:
    """Read a label.

    Returns:
        The canonical expression, or the fault: the label is empty, left out by ``label_map``, or unknown.
    """
    text = text.strip()
    if not text:
        return Reason.UNLABELLED, "empty label"
    own = {code(str(key)): name for key, name in label_map.items()}
    if code(text) not in own and (says_nothing(text) or plain(text) == _NA):
        return Reason.UNLABELLED, f"label {text!r} counts as none, unless label_map names it"
    name = own.get(code(text), text)
    if name is None:
        return Reason.UNLABELLED, f"label {text!r} is left out by label_map"
    return parse_expression(name) or (Reason.UNKNOWN_LABEL, f"{_BEFORE}{text}{_AFTER}")


def lay_over(
    codes: Mapping[str | int, str | None], label_map: Mapping[str | int, str | None]
) -> dict[str | int, str | None]:
    """Lay a user's map of labels over the codes of a data set, whose expressions it may also name.

    Example:
        >>> lay_over({0: "anger", 6: "neutral"}, {"neutral": None, 7: "contempt"})
        {0: 'anger', 6: None, 'neutral': None, 7: 'contempt'}
    """
    named = {parse_expression(str(key)): name for key, name in label_map.items()}
    return {key: named.get(name, name) for key, name in codes.items()} | dict(label_map)


def check_coded_keys(
    labels: Collection[str], codes: Mapping[str | int, str | None], config: LabelMapConfig
) -> list[str]:
    """Check the keys of ``label_map`` as ``check_label_keys`` does; they may be codes, or expressions of codes.

    Args:
        labels: Labels as the data set writes them.
        codes: Meaning of its codes.
        config: Entry of the data set.

    Raises:
        LayoutError: No entry is the label of a face.
    """
    meant = {parse_label(label, codes) for label in labels}
    return check_label_keys({*labels, *(name for name in meant if isinstance(name, str))}, config)


def tally_labels(listed: Mapping[Place, int], label_map: Mapping[str | int, str | None]) -> Tally:
    """Count faces by expression, as labels name it.

    Args:
        listed: Split, fold and label, as the data set writes it -> number of faces.
        label_map: Meaning of labels, see ``LabelMapConfig.label_map``.
    """
    faces: Counter[Place] = Counter()
    unknown: Counter[str] = Counter()
    for (split, fold, text), number in listed.items():
        label = parse_label(text, label_map)
        if isinstance(label, str):
            faces[split, fold, label] += number
        elif label[0] is Reason.UNKNOWN_LABEL:
            unknown[text] += number
    return Tally(faces, unknown)


def check_label_keys(labels: Collection[str], config: LabelMapConfig) -> list[str]:
    """Say which entries of ``label_map`` no face has; refuse a map of which no entry has a face.

    Args:
        labels: Labels as the data set writes them.
        config: Entry of the data set.

    Raises:
        LayoutError: No entry is the label of a face.
    """
    met, codes = {plain(label) for label in labels}, {code(label) for label in labels}
    absent = [str(key) for key in config.label_map if code(str(key)) not in codes]
    if met and absent and len(absent) == len(config.label_map):
        found = ", ".join(sorted(met)[:_SHOWN]) + (", ..." if len(met) > _SHOWN else "")
        raise LayoutError((("label_map",), no_effect(f"no label of the data set is {_listed(absent)}; it has {found}")))
    return [f"label_map: no face has the label {_listed(absent)}"] if met and absent else []


def check_subject_pattern(paths: Iterable[str], config: LabelledConfig) -> None:
    """Refuse a ``subject_pattern`` that finds no person.

    Args:
        paths: Paths of pictures below the root whose person is not known otherwise.
        config: Entry of the data set.

    Raises:
        LayoutError: It finds none in any path.
    """
    if config.subject_pattern is None:
        return
    first = None
    for path in paths:
        if parse_subject(path, config.subject_pattern) is not None:
            return
        first = first or path
    why = f"it finds no person in any picture's name, such as {first}" if first else "all persons are known without it"
    raise LayoutError((("subject_pattern",), no_effect(why)))


def _listed(names: Sequence[str]) -> str:
    return " or ".join([*names[:_SHOWN], *([f"one of {len(names) - _SHOWN} more"] if len(names) > _SHOWN else [])])


def unknown_label(detail: str) -> str:
    """Give the label that the detail of an ``unknown_label`` tells of; another adapter's detail as it stands."""
    return detail.removeprefix(_BEFORE).removesuffix(_AFTER)


def parse_subject(path: str, pattern: str | None) -> str | None:
    """Find the person in a picture's path, see ``LabelledConfig.subject_pattern``; None where it isn't found."""
    if pattern is None:
        return None
    found = _compiled(pattern).search(path if "/" in pattern else PurePosixPath(path).stem)
    if found is None:
        return None
    return (found[1] if found.re.groups else found[0]) or None


@lru_cache(maxsize=8)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@dataclass(frozen=True)
class LabelRow:
    """One row of a label file.

    Attributes:
        record: Record that the row describes; its label is the raw text if there is a fault.
        fault: Reason not to take the row, or None.
    """

    record: Record
    fault: Fault | None = None


def merge_rows(rows: Iterable[LabelRow]) -> tuple[list[Record], list[Reject]]:
    """Merge rows of equal meaning; rows that contradict each other about one face reject it, whatever their order."""
    by_id: dict[str, set[LabelRow]] = defaultdict(set)
    for row in rows:
        by_id[row.record.id].add(row)
    records: list[Record] = []
    rejects: list[Reject] = []
    for id_, distinct in by_id.items():
        first = next(iter(distinct))
        if len(distinct) > 1:
            rejects.append(_contradiction(id_, [row.record for row in distinct]))
        elif first.fault:
            rejects.append(Reject(id_, *first.fault))
        else:
            records.append(first.record)
    return records, rejects


def _contradiction(id_: str, records: list[Record]) -> Reject:
    values = {field.name: {getattr(record, field.name) for record in records} for field in fields(Record)}
    if len(values["label"]) > 1:
        return Reject(id_, Reason.CONFLICTING_LABELS, ", ".join(sorted(values["label"])))
    differing = ", ".join(name for name, found in values.items() if len(found) > 1)
    return Reject(id_, Reason.DUPLICATE_ID, f"several rows that differ in {differing or 'what is wrong with them'}")


def scan_rows(
    root: Path,
    listings: Mapping[str, Listing],
    rows: Iterable[LabelRow],
    rejects: Iterable[Reject] = (),
    own: Iterable[str] = (),
) -> Scan:
    """Build the scan of a label file.

    Args:
        root: Root of the data set.
        listings: Folder below the root, as a POSIX path -> what is in it; pictures that no row lists become rejects.
        rows: Rows of the file; their paths are spelt as in the listings.
        rejects: Rows that couldn't even be read.
        own: Files that the adapter reads, as paths below the root; they are not passed over.
    """
    rows = list(rows)
    records, found = merge_rows(rows)
    found.extend(rejects)
    listed = {row.record.path for row in rows}
    notes: list[str] = []
    read = {PurePosixPath(path).as_posix() for path in own}
    for folder, listing in listings.items():
        listing.others = [path for path in listing.others if path not in read]
        listing.added = [path for path in listing.added if path not in read]
        absent = (path for path in listing.pictures if path not in listed)
        found.extend(Reject(path, Reason.UNLABELLED, NO_ROW) for path in absent)
        found.extend(reject for reject in listing.rejects if reject.id not in listed)
        notes += listing.notes(root / folder)
    return Scan(tuple(records), tuple(found), notes=tuple(notes))

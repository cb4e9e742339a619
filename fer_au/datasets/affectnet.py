"""Adapter ``affectnet``: the whole set with its tables, the small release with arrays, and folders of classes.

The authors' test part was never published, so that papers report the validation part: it is ``test`` here. Faces that
are coded 8 (none), 9 (uncertain) and 10 (no face) have no label. Where each form lies is said in ``affectnet_forms``.
Source: Mollahosseini, Hasani and Mahoor, "AffectNet: A Database for Facial Expression, Valence, and Arousal Computing
in the Wild", IEEE Transactions on Affective Computing, 2019.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from fer_au.config.unread import no_effect
from fer_au.datasets.absent import explain_absent
from fer_au.datasets.affectnet_forms import FORMS, Found, Item, coded_parts, find_form, is_mixed
from fer_au.datasets.base import ADAPTERS, Adapter, Annotations, LayoutError, Outline, Record, Scan
from fer_au.datasets.files import check_root, first_names, list_folders
from fer_au.datasets.labels import (
    Fault,
    LabelMapConfig,
    LabelRow,
    check_coded_keys,
    lay_over,
    parse_label,
    scan_rows,
    tally_labels,
)
from fer_au.datasets.manifest import Split
from fer_au.datasets.points import OFFSET, PointsCollector
from fer_au.datasets.recognition import fitting_text
from fer_au.datasets.spelling import code
from fer_au.datasets.tally import Place
from fer_au.rejects import Reason

CODES: dict[str | int, str | None] = {
    0: "neutral",
    1: "happiness",
    2: "sadness",
    3: "surprise",
    4: "fear",
    5: "disgust",
    6: "anger",
    7: "contempt",
}
_NO_EXPRESSION = {"8": "none", "9": "uncertain", "10": "no face"}
_COMPLETE: dict[int, dict[Split, int]] = {8: {"train": 287_651, "test": 4_000}, 7: {"train": 283_901, "test": 3_500}}


class AffectnetConfig(LabelMapConfig):
    """AffectNet, as its authors distribute it.

    Attributes:
        classes: 8 expressions, or 7 without contempt, as many papers have it.
        validation: Split that the published validation part is: `test`, as papers report it, or `valid`.
        annotations: Whether the boxes and the 68 points of the tables are read; false for copies whose pictures were
            cut or resized without them.
    """

    classes: Literal[7, 8] = 8
    validation: Literal["valid", "test"] = "test"
    annotations: bool = True


@ADAPTERS.register("affectnet")
class AffectnetAdapter(Adapter[AffectnetConfig]):
    """Codes come from tables, from an array beside each picture, or from folders; boxes and points come along."""

    Config = AffectnetConfig

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look for the tables, the small release's folders, folders of the codes, or a mixture with FFHQ's faces."""
        return find_form(root) not in (None, "folders") or bool(coded_parts(root)) or is_mixed(root)

    def scan(self, config: AffectnetConfig) -> Scan:
        """Read the set in whatever form it lies here.

        Raises:
            DataError: Missing or empty root, or none of the forms.
        """
        found = _read(config)
        notes = [*found.notes, *check_coded_keys({item.code for item in found.items if item.code}, CODES, config)]
        codes = lay_over(CODES, config.label_map)
        rows = [LabelRow(*_record(item, codes, config)) for item in found.items]
        scan = scan_rows(config.root, found.listings, rows, found.rejects, found.own)
        listed = {item.path for item in found.items}
        unnamed = [one.id for one in scan.rejects if one.reason is Reason.UNLABELLED and one.id not in listed]
        if line := explain_absent(config.root, found.images, listed, unnamed):
            notes.append(line)
        notes += _count_notes(scan, config)
        points, told = _points(found, {record.id for record in scan.records})
        rejects = (*scan.rejects, *(points.rejects() if points else ()))
        annotations = points.annotations() if points else Annotations()
        return Scan(scan.records, rejects, annotations, (*notes, *scan.notes, *told))

    def outline(self, config: AffectnetConfig) -> Outline:
        """Count the pictures of folders; tables of 400,000 faces take too long, and tell the splits alone.

        Raises:
            DataError: As for ``scan``.
        """
        check_root(config.root)
        form = _require(config)
        if form == "folders":
            found = _read(config)
            check_coded_keys({item.code for item in found.items if item.code}, CODES, config)
            listed: Counter[Place] = Counter(
                (item.split(config.validation), None, item.code) for item in found.items if _fault(item, config) is None
            )
            codes = lay_over(CODES, config.label_map)
            return Outline(frozenset(split for split, _, _ in listed), tally=tally_labels(listed, codes))
        parts = FORMS[form].parts(config.root)
        splits: frozenset[Split | None] = frozenset(
            config.validation if part == "valid" else "train" for part in parts.values()
        )
        return Outline(splits, columns=frozenset({"points"} if config.annotations else ()))


def _require(config: AffectnetConfig) -> str:
    """Find the form in which the set lies here.

    Raises:
        LayoutError: It is none of the set's.
    """
    form = find_form(config.root)
    if form is None:
        found = first_names(list_folders(config.root)) or "none"
        wanted = ", nor ".join(one.wanted for one in FORMS.values())
        text = f"{config.root}: no {wanted}; folders found: {found}{fitting_text(config.root, config.adapter)}"
        raise LayoutError((("root", "adapter"), text))
    if form == "folders" and "annotations" in config.model_fields_set:
        raise LayoutError((("annotations",), no_effect("folders of classes bring no boxes and no points")))
    return form


def _read(config: AffectnetConfig) -> Found:
    check_root(config.root)
    form = FORMS[_require(config)]
    return form.read(config.root, annotations=config.annotations, follow_links=config.follow_links)


def _fault(item: Item, config: AffectnetConfig) -> Fault | None:
    """Say why a face has no label, or a row is none, besides labels that name no expression."""
    own = {code(str(key)) for key in config.label_map}
    if item.fault:
        return item.fault
    if code(item.code) not in own:
        if word := next((word for key, word in _NO_EXPRESSION.items() if code(key) == code(item.code)), ""):
            return Reason.UNLABELLED, f"expression {item.code}: {word}"
        if config.classes == 7 and parse_label(item.code, CODES) == "contempt":
            return Reason.UNLABELLED, "contempt is left out by classes: 7"
    return None


def _record(item: Item, codes: Mapping[str | int, str | None], config: AffectnetConfig) -> tuple[Record, Fault | None]:
    fault, label = _fault(item, config), parse_label(item.code, codes)
    if fault is None and not isinstance(label, str):
        fault = label
    box = item.box
    if isinstance(box, str):
        fault, box = fault or (Reason.BAD_ROW, box), None
    named = label if isinstance(label, str) and fault is None else item.code
    return Record(item.path, named, item.split(config.validation), box=box), fault


def _points(found: Found, accepted: set[str]) -> tuple[PointsCollector | None, tuple[str, ...]]:
    """Gather the points of the faces that are taken; None where there are none."""
    known = [item for item in found.items if item.points is not None and item.path in accepted]
    if not known:
        return None, ()
    collector = PointsCollector(found.points_from, OFFSET)
    for item in known:
        if item.points is not None:
            collector.add(item.path, item.points)
    return collector, collector.notes(len(accepted))


def _count_notes(scan: Scan, config: AffectnetConfig) -> list[str]:
    """Say which part of the set is here."""
    counts = Counter(record.split for record in scan.records)
    whole = {config.validation if split == "test" else split: n for split, n in _COMPLETE[config.classes].items()}
    lacking = [f"{counts[split]} of {number} {split}" for split, number in whole.items() if counts[split] < number]
    notes = [f"AffectNet has more: here are {', '.join(lacking)}"] if lacking else []
    if None in counts:
        return []
    if config.validation == "test":
        notes.append("the validation part is test, as the authors' test part was never published")
    return notes

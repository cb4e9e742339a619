"""Adapter ``rafdb``: the basic set of RAF-DB, as its owners distribute it, and in Kaggle's folders.

``EmoLabel/list_patition_label.txt`` (sic) names each picture with its code, as ``train_00001.jpg 5``; the aligned
picture is called ``train_00001_aligned.jpg``, the original one has its box in ``Annotation/boundingbox``. Kaggle's copy
has the codes as folders, ``DATASET/train/5``, and a table for each split. Codes count from 1: position 0 of a reader
that sorts folders is code 1. Source: Li, Deng and Du, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for
Expression Recognition in the Wild", CVPR 2017.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from fer_au.datasets.base import ADAPTERS, Adapter, LayoutError, Outline, Record, Scan
from fer_au.datasets.files import check_below, check_root, find_near, first_names, list_folders, list_pictures
from fer_au.datasets.labels import (
    LabelMapConfig,
    LabelRow,
    check_coded_keys,
    lay_over,
    parse_label,
    parse_split,
    scan_rows,
    tally_labels,
)
from fer_au.datasets.manifest import Box, Split
from fer_au.datasets.recognition import fitting_text
from fer_au.datasets.side_files import read_side_files
from fer_au.datasets.tables import read_table
from fer_au.datasets.tally import Place
from fer_au.errors import DataError
from fer_au.rejects import Reason, Reject

CODES: dict[str | int, str | None] = {
    1: "surprise",
    2: "fear",
    3: "disgust",
    4: "happiness",
    5: "sadness",
    6: "anger",
    7: "neutral",
}
Pictures = Literal["aligned", "original"]
_LISTS = ("list_patition_label.txt", "list_partition_label.txt")
_BOXES = "Annotation/boundingbox"
_SPLITS: tuple[Split, ...] = ("train", "test")
_COMPLETE: dict[Split, int] = {"train": 12_271, "test": 3_068}
_COMPOUND = "compound"


class RafdbConfig(LabelMapConfig):
    """RAF-DB, as its owners and Kaggle distribute it.

    Attributes:
        pictures: The owners' crops of 100 x 100 pixels (folder `Image/aligned`), or the photographs with the box of
            each face (`Image/original`). Kaggle has the crops alone.
    """

    pictures: Pictures = "aligned"


@ADAPTERS.register("rafdb")
class RafdbAdapter(Adapter[RafdbConfig]):
    """The name of a picture gives its split, the list or its folder the label."""

    Config = RafdbConfig

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look for the list of labels, or for folders of the seven codes."""
        return bool(find_near(root, _LISTS)) or _find_kaggle(root) is not None

    def scan(self, config: RafdbConfig) -> Scan:
        """Read the list of labels, or Kaggle's folders.

        Raises:
            DataError: Missing or empty root, no list and no folders, or no pictures of the wanted kind.
        """
        check_root(config.root)
        kaggle = _require(config)
        scan = _scan_official(config) if kaggle is None else _scan_kaggle(kaggle, config)
        return replace(scan, notes=(*_count_notes(scan.records), *scan.notes))

    def outline(self, config: RafdbConfig) -> Outline:
        """Count the lines of the list, or the pictures of the folders.

        Raises:
            DataError: As for ``scan``.
        """
        check_root(config.root)
        kaggle = _require(config)
        if kaggle is None:
            base, rows = _read_list(config)
            _find_pictures(base, config)
            found = {name: (_split_of(name), code) for _, name, code in rows if name}
        else:
            listed = list_pictures(config.root, kaggle, follow_links=config.follow_links).pictures
            found = {path: _kaggle_place(path, kaggle) for path in listed}
        check_coded_keys({code for _, code in found.values() if code}, CODES, config)
        places: Counter[Place] = Counter((split, None, code) for split, code in found.values() if split and code)
        splits = frozenset(split for split, _, _ in places)
        return Outline(splits, tally=tally_labels(places, lay_over(CODES, config.label_map)))


def _require(config: RafdbConfig) -> str | None:
    """Find the folder of Kaggle's splits; None where the owners' list is there.

    Raises:
        LayoutError: Neither is there.
    """
    root = config.root
    if find_near(root, _LISTS):
        return None
    kaggle = _find_kaggle(root)
    if kaggle is None:
        found = first_names(list_folders(root)) or "none"
        text = f"{root}: no EmoLabel/{_LISTS[0]}, and no folders train/1 ... train/7; folders found: {found}"
        if any(name.lower() == _COMPOUND for name in list_folders(root)):
            text += "; the compound set has classes of two expressions: the folder basic is wanted"
        if any({*map(str, range(7))} <= codes for _, codes in _code_folders(root)):
            meant = ", ".join(f"{code - 1}: {name}" for code, name in CODES.items() if isinstance(code, int))
            text += "; folders train/0 ... train/6 are no codes of RAF-DB: if they count its classes from 0, take "
            text += f"adapter folder with `label_map: {{{meant}}}`"
        raise LayoutError((("root", "adapter"), f"{text}{fitting_text(root, config.adapter)}"))
    if config.pictures == "original":
        raise LayoutError((("pictures",), f"{root}: Kaggle's folders have the aligned pictures alone"))
    return kaggle


def _find_kaggle(root: Path) -> str | None:
    """Find the folder whose ``train`` holds folders of the codes: the root, or one below it."""
    return next((name for name, codes in _code_folders(root) if {*map(str, CODES)} <= codes and "0" not in codes), None)


def _code_folders(root: Path) -> Iterator[tuple[str, set[str]]]:
    """List the folders in ``train``, of the root and of each folder below it."""
    for name in (".", *list_folders(root)):
        for split in list_folders(root / name):
            if split.lower() == "train":
                yield name, {*list_folders(root / name / split)}


def _read_list(config: RafdbConfig) -> tuple[PurePosixPath, list[tuple[int, str, str]]]:
    """Read the list of labels: the folder ``basic`` that it belongs to; and line, name and code of each picture.

    Raises:
        LayoutError: Several lists, or one of another form.
    """
    names = find_near(config.root, _LISTS)
    if len(names) > 1:
        raise LayoutError((("root",), f"{config.root}: several lists of labels: {', '.join(names)}; point root to one"))
    check_below(config.root, names[0], follow_links=config.follow_links)
    try:
        table = read_table(config.root / names[0], {"image": 0, "label": 1}, header=False)
    except DataError as error:
        raise LayoutError((("root",), f"{error}; a line of RAF-DB is `train_00001.jpg 5`")) from error
    base = PurePosixPath(names[0]).parent.parent
    return base, [(line, table.cell(cells, "image"), table.cell(cells, "label")) for line, cells in table.rows]


def _find_pictures(base: PurePosixPath, config: RafdbConfig) -> str:
    """Find the folder of the wanted pictures.

    Raises:
        LayoutError: It isn't there; the line says whether the other one or an archive is.
    """
    folder = base / "Image" / config.pictures
    if (config.root / folder).is_dir():
        return folder.as_posix()
    text = f"{config.root / folder}: no such folder"
    archives = sorted((config.root / base / "Image").glob(f"{config.pictures}.*"))
    other: Pictures = "original" if config.pictures == "aligned" else "aligned"
    if archives:
        text += f", but {archives[0].name}: unpack it"
    elif (config.root / base / "Image" / other).is_dir():
        text += f": the {other} pictures are there, say `pictures: {other}`"
    raise LayoutError((("pictures", "root"), text))


def _split_of(name: str) -> Split | None:
    """Read the split that begins a picture's name."""
    word = PurePosixPath(name).name.partition("_")[0]
    return word if word in _SPLITS else None


def _scan_official(config: RafdbConfig) -> Scan:
    base, lines = _read_list(config)
    folder = _find_pictures(base, config)
    listing = list_pictures(config.root, folder, follow_links=config.follow_links)
    notes = check_coded_keys({code for _, name, code in lines if name and code}, CODES, config)
    behind = "_aligned" if config.pictures == "aligned" else ""
    boxes: Mapping[str, Box | str] = {}
    if config.pictures == "original":
        boxes, told = _read_boxes(base, [name for _, name, _ in lines], config)
        notes += told
    codes = lay_over(CODES, config.label_map)
    rows: list[LabelRow] = []
    rejects: list[Reject] = []
    for line, name, code in lines:
        if not name:
            rejects.append(Reject(f"{_LISTS[0]}:{line}", Reason.BAD_ROW, "names no picture"))
            continue
        path = PurePosixPath(folder, f"{PurePosixPath(name).with_suffix('')}{behind}{PurePosixPath(name).suffix}")
        rows.append(_row(listing.spellings.find(path.as_posix()), _split_of(name), code, codes, boxes.get(name)))
    scan = scan_rows(config.root, {folder: listing}, rows, rejects)
    return replace(scan, notes=(*notes, *scan.notes))


def _row(
    path: str, split: Split | None, code: str, codes: Mapping[str | int, str | None], box: Box | str | None = None
) -> LabelRow:
    label = parse_label(code, codes)
    fault = None if isinstance(label, str) else label
    if split is None:
        fault = fault or (Reason.BAD_ROW, "its name begins with neither train_ nor test_")
    if isinstance(box, str):
        fault, box = fault or (Reason.BAD_ROW, box), None
    return LabelRow(Record(path, label if isinstance(label, str) else code, split, box=box), fault)


def _read_boxes(
    base: PurePosixPath, names: Sequence[str], config: RafdbConfig
) -> tuple[Mapping[str, Box | str], list[str]]:
    """Read the box of each picture, a small file each; none where their folder is missing, which a line says."""
    folder = base / _BOXES
    if not (config.root / folder).is_dir():
        return {}, [f"{config.root / folder}: no such folder, so that the photographs have no boxes of their faces"]
    files = {name: (folder / f"{PurePosixPath(name).stem}_boundingbox.txt").as_posix() for name in names if name}
    texts = read_side_files(config.root, list(files.values()), "read boxes", follow_links=config.follow_links)
    return {name: _box(texts[file]) for name, file in files.items()}, []


def _box(data: bytes | Reject) -> Box | str:
    """Read a file of four numbers: left, top, right, bottom."""
    if isinstance(data, Reject):
        return f"{data.id}: {data.detail}"
    parts = data.decode("ascii", "replace").split()
    try:
        left, top, right, bottom = map(float, parts)
    except ValueError:
        return f"box {' '.join(parts)[:80]} is not four numbers"
    if not (left < right and top < bottom):
        return f"box {' '.join(parts)} has no area"
    return left, top, right, bottom


def _kaggle_place(path: str, base: str) -> tuple[Split | None, str]:
    """Read split and code from the folders of a picture."""
    parts = PurePosixPath(path).relative_to(PurePosixPath(base)).parts
    return (parse_split(parts[0]), parts[1]) if len(parts) > 2 else (None, "")


def _scan_kaggle(base: str, config: RafdbConfig) -> Scan:
    listing = list_pictures(config.root, base, follow_links=config.follow_links)
    tables, own = _read_kaggle_tables(config)
    codes = lay_over(CODES, config.label_map)
    found = {path: _kaggle_place(path, base) for path in listing.pictures}
    notes = check_coded_keys({code for _, code in found.values() if code}, CODES, config)
    rows: list[LabelRow] = []
    rejects: list[Reject] = []
    for path, (split, code) in found.items():
        name = PurePosixPath(path).name
        told = tables.get(name)
        if split is None:
            rejects.append(Reject(path, Reason.UNLABELLED, "lies in no folder of a code below train or test"))
        elif told is not None and told != code:
            detail = f"folder {code}, and {told} in the table of its split"
            rejects.append(Reject(path, Reason.CONFLICTING_LABELS, detail))
        elif (named := _split_of(name)) not in (None, split):
            rejects.append(Reject(path, Reason.BAD_ROW, f"named as of {named}, and lies in {split}"))
        else:
            rows.append(_row(path, split, code, codes))
    here = {PurePosixPath(path).name for path in found}
    rejects += [Reject(name, Reason.MISSING_FILE, "in a table of labels") for name in tables if name not in here]
    listing.pictures = [row.record.path for row in rows]
    scan = scan_rows(config.root, {base: listing}, rows, rejects, own)
    return replace(scan, notes=(*notes, *scan.notes))


def _read_kaggle_tables(config: RafdbConfig) -> tuple[dict[str, str], list[str]]:
    """Read Kaggle's tables, as far as they are there: name of a picture -> code; and the tables' paths."""
    own = find_near(config.root, tuple(f"{split}_labels.csv" for split in _SPLITS))
    found: dict[str, str] = {}
    for name in own:
        check_below(config.root, name, follow_links=config.follow_links)
        table = read_table(config.root / name, {"image": "image", "label": "label"})
        found |= {table.cell(cells, "image"): table.cell(cells, "label") for _, cells in table.rows}
    return found, own


def _count_notes(records: Sequence[Record]) -> list[str]:
    """Say which part of the set is here."""
    counts = Counter(record.split for record in records)
    lacking = [f"{counts[split]} of {number} {split}" for split, number in _COMPLETE.items() if counts[split] < number]
    return [f"RAF-DB has more: here are {', '.join(lacking)}"] if lacking else []

"""Adapter ``sep``: the published GiMeFive layout of six-class data sets.

A folder per split, and beside each a headerless label file: ``train/NAME_happiness.jpg`` and ``train_FER_labels.csv``
with rows ``NAME_happiness.jpg,0``. Read with a header row, as is easily done, each file would lose one picture.
Source: Wang and Kawka, "GiMeFive: Towards Interpretable Facial Emotion Classification", 2024.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from fer_au.datasets.base import ADAPTERS, Adapter, LayoutError, Outline, Record, Scan
from fer_au.datasets.files import check_below, check_root, list_folders, list_pictures
from fer_au.datasets.labels import (
    Fault,
    LabelledConfig,
    LabelRow,
    check_label_keys,
    check_subject_pattern,
    parse_label,
    parse_split,
    parse_subject,
    scan_rows,
    tally_labels,
)
from fer_au.datasets.recognition import fitting_text
from fer_au.datasets.tables import Table, read_table
from fer_au.datasets.tally import Place
from fer_au.errors import DataError
from fer_au.expressions import parse_expression
from fer_au.rejects import Reason, Reject

CODES: dict[str | int, str | None] = {
    0: "happiness",
    1: "surprise",
    2: "sadness",
    3: "anger",
    4: "disgust",
    5: "fear",
}


class SepConfig(LabelledConfig):
    """The GiMeFive layout; no further keys. Entries of ``label_map`` are added to the layout's own codes."""


@ADAPTERS.register("sep")
class SepAdapter(Adapter[SepConfig]):
    """Codes come from the label files; a file name that ends in another expression than its code is a conflict."""

    Config = SepConfig

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look for split folders with a label file beside them, here or in the only such folder below."""
        return bool(_split_files(root)) or sum(bool(_split_files(root / name)) for name in list_folders(root)) == 1

    def scan(self, config: SepConfig) -> Scan:
        """Read the label file of each split folder.

        Raises:
            DataError: Missing or empty root, no split folder with a label file, or several sets below the root.
        """
        check_root(config.root)
        base = _find_set(config.root)
        files = _split_files(base)
        rows: list[LabelRow] = []
        rejects: list[Reject] = []
        below_root = PurePosixPath(base.relative_to(config.root).as_posix())
        folders = {name: (below_root / name).as_posix() for name in list_folders(base) if parse_split(name)}
        listings = {
            name: list_pictures(config.root, folder, follow_links=config.follow_links)
            for name, folder in folders.items()
        }
        tables = {name: _read_codes(file, config) for name, file in files.items()}
        notes = [*_check_keys(tables, config), *_half_notes(base, folders, files)]
        for name, table in tables.items():
            for line, cells in table.rows:
                image = table.cell(cells, "image")
                if not image:
                    rejects.append(Reject(f"{files[name].name}:{line}", Reason.BAD_ROW, "names no picture"))
                    continue
                path = listings[name].spellings.find(PurePosixPath(folders[name], image).as_posix())
                rows.append(_read_row(path, name, table.cell(cells, "label"), config))
        scan = scan_rows(config.root, {folders[name]: one for name, one in listings.items()}, rows, rejects)
        return replace(scan, notes=(*notes, *scan.notes))

    def outline(self, config: SepConfig) -> Outline:
        """Count the codes in the label file of each split.

        Raises:
            DataError: As for ``scan``.
        """
        check_root(config.root)
        listed: Counter[Place] = Counter()
        tables = {name: _read_codes(file, config) for name, file in _split_files(_find_set(config.root)).items()}
        _check_keys(tables, config)
        for name, table in tables.items():
            codes = {table.cell(cells, "image"): table.cell(cells, "label") for _, cells in table.rows}
            listed.update((parse_split(name), None, code) for image, code in codes.items() if image)
        tally = tally_labels(listed, CODES | config.label_map)
        return Outline(frozenset(map(parse_split, tables)), subjects=config.subject_pattern is not None, tally=tally)


def _half_notes(base: Path, folders: Collection[str], files: Collection[str]) -> list[str]:
    """Say which label files have no folder of pictures, and which folders have no label file."""
    told = (path.name for path in sorted(base.glob("*_labels.csv")))
    lost = [name for name in told if (word := name.partition("_")[0]) not in folders and parse_split(word)]
    notes = [
        f"{name}: there is no folder {name.partition('_')[0]} beside it, so that its pictures are missing"
        for name in lost
    ]
    return notes + [
        f"{name}: there is no label file {name}_..._labels.csv beside it" for name in folders if name not in files
    ]


def _check_keys(tables: Mapping[str, Table], config: SepConfig) -> list[str]:
    """Refuse a ``label_map`` and a ``subject_pattern`` that no row needs; say which labels no row has."""
    rows = [
        (table.cell(cells, "image"), table.cell(cells, "label")) for table in tables.values() for _, cells in table.rows
    ]
    check_subject_pattern((image for image, _ in rows if image), config)
    return check_label_keys({code for image, code in rows if image and code}, config)


def _read_row(path: str, split: str, code: str, config: SepConfig) -> LabelRow:
    label = parse_label(code, CODES | config.label_map)
    fault: Fault | None = None
    if not isinstance(label, str):
        fault, label = label, code
    named = parse_expression(PurePosixPath(path).stem.rpartition("_")[2])
    if fault is None and named not in (None, label):
        fault = (Reason.CONFLICTING_LABELS, f"code {code} is {label}, the file's name says {named}")
    subject = parse_subject(path, config.subject_pattern)
    return LabelRow(Record(path, label, parse_split(split), subject=subject), fault)


def _read_codes(file: Path, config: SepConfig) -> Table:
    check_below(config.root, file.relative_to(config.root).as_posix(), follow_links=config.follow_links)
    return read_table(file, {"image": 0, "label": 1}, header=False, delimiter=",")


def _split_files(base: Path) -> dict[str, Path]:
    """Find the split folders that have a label file beside them, and that file of each.

    Raises:
        DataError: A split has several label files.
    """
    found = {}
    for name in list_folders(base):
        if parse_split(name) is None:
            continue
        files = sorted(path for path in base.glob(f"{name}_*.csv") if path.is_file())
        if len(files) > 1:
            raise DataError(f"{base}: several label files for {name}: {', '.join(file.name for file in files)}")
        if files:
            found[name] = files[0]
    return found


def _find_set(root: Path) -> Path:
    """Find the folder that holds the split folders: the root, or the only such folder right below it."""
    if _split_files(root):
        return root
    below = [root / name for name in list_folders(root) if _split_files(root / name)]
    if len(below) == 1:
        return below[0]
    if below:
        raise DataError(f"{root}: several sets below it ({', '.join(path.name for path in below)}); point root to one")
    text = f"{root}: no split folder with a label file (train/ and train_..._labels.csv)"
    raise LayoutError((("root", "adapter"), f"{text}{fitting_text(root, 'sep')}"))

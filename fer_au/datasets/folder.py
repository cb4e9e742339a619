"""Adapter ``folder``: class folders (``happy/1.jpg``), or split folders with class folders (``train/happy/1.jpg``)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from fer_au.datasets.base import ADAPTERS, Adapter, Outline, Record, Scan
from fer_au.datasets.files import check_root, holds_picture, list_folders, list_pictures
from fer_au.datasets.labels import LabelledConfig, parse_label, parse_split, parse_subject
from fer_au.datasets.manifest import Split
from fer_au.errors import DataError
from fer_au.rejects import Reason, Reject


class FolderConfig(LabelledConfig):
    """Class folders, alone or below folders of splits; no further keys."""


@ADAPTERS.register("folder")
class FolderAdapter(Adapter[FolderConfig]):
    """Labels are the names of folders; pictures may lie at any depth below their class folder.

    The set has splits when a folder right below the root is named like one (train, valid, val, validation, test).
    """

    Config = FolderConfig

    def scan(self, config: FolderConfig) -> Scan:
        """List pictures by class folder.

        Raises:
            DataError: Missing or empty root, or no folder below it names a split or an expression.
        """
        check_root(config.root)
        depth = 1 if _layout_has_splits(config.root, config) else 0
        listing = list_pictures(config.root)
        records: list[Record] = []
        rejects = list(listing.rejects)
        for path in listing.pictures:
            found = _read_place(path, depth, config)
            if isinstance(found, Reject):
                rejects.append(found)
            else:
                records.append(found)
        return Scan(tuple(records), tuple(rejects), notes=listing.notes(config.root))

    def outline(self, config: FolderConfig) -> Outline:
        """Look which of the folders of splits hold pictures.

        Raises:
            DataError: As for ``scan``.
        """
        check_root(config.root)
        parts: dict[Path, Split | None] = {config.root: None}
        if _layout_has_splits(config.root, config):
            parts = {config.root / name: parse_split(name) for name in list_folders(config.root) if parse_split(name)}
        filled = frozenset(split for folder, split in parts.items() if holds_picture(folder))
        return Outline(filled, subjects=config.subject_pattern is not None)


def _layout_has_splits(root: Path, config: FolderConfig) -> bool:
    """Tell whether the folders below the root are splits; at least one must be a split or a class."""
    names = list_folders(root)
    if any(parse_split(name) for name in names):
        return True
    if any(isinstance(parse_label(name, config.label_map), str) for name in names):
        return False
    found = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "none"
    raise DataError(
        f"{root}: no folder here is named like a split (train, valid, test) or an expression (happiness, ...); "
        f"folders found: {found}. Point root to the folder above them, or name the classes in label_map"
    )


def _read_place(path: str, depth: int, config: FolderConfig) -> Record | Reject:
    """Read split and label from the folders of a picture; ``depth`` folders stand above the class folder."""
    folders = PurePosixPath(path).parts[:-1]
    split: Split | None = None
    if depth and folders:
        split = parse_split(folders[0])
        if split is None:
            return Reject(path, Reason.UNLABELLED, f"folder {folders[0]!r} is no split (train, valid, test)")
    if len(folders) <= depth:
        return Reject(path, Reason.UNLABELLED, "lies in no class folder")
    label = parse_label(folders[depth], config.label_map)
    if not isinstance(label, str):
        return Reject(path, *label)
    return Record(path, label, split, subject=parse_subject(path, config.subject_pattern))

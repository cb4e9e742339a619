"""Adapter ``folder``: class folders (``happy/1.jpg``), or split folders with class folders (``train/happy/1.jpg``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fer_au.datasets.base import ADAPTERS, Adapter, LayoutError, Outline, Record, Scan
from fer_au.datasets.files import FOLDER_LINK, Listing, check_root, first_names, list_folders, list_pictures
from fer_au.datasets.labels import (
    SplitLabelledConfig,
    check_label_keys,
    check_subject_pattern,
    parse_label,
    parse_split,
    parse_subject,
    tally_labels,
)
from fer_au.datasets.manifest import Split
from fer_au.datasets.recognition import fitting_text, mostly_clips
from fer_au.datasets.tally import Place
from fer_au.rejects import Reason, Reject


class FolderConfig(SplitLabelledConfig):
    """Class folders, alone or below folders of splits; no further keys."""


@ADAPTERS.register("folder")
class FolderAdapter(Adapter[FolderConfig]):
    """Labels are the names of folders; pictures may lie at any depth below their class folder.

    The set has splits when a folder right below the root is named like one (train, valid, val, test, ...), or stands in
    ``split_map``.
    """

    Config = FolderConfig

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Look for class folders, alone or below a folder of a split, that don't hold clips."""
        return has_class_folders(root) and not mostly_clips(root)

    def scan(self, config: FolderConfig) -> Scan:
        """List pictures by class folder.

        Raises:
            DataError: Missing or empty root, or no folder below it names a split or an expression.
        """
        check_root(config.root)
        depth = find_depth(config.root, config)
        listing = list_followed(depth, config)
        notes = check_folder_keys(listing.pictures, depth, config)
        records, rejects = read_places(listing.pictures, depth, config)
        return Scan(tuple(records), (*listing.rejects, *rejects), notes=(*notes, *listing.notes(config.root)))

    def outline(self, config: FolderConfig) -> Outline:
        """Count the pictures of each class folder.

        Raises:
            DataError: As for ``scan``.
        """
        check_root(config.root)
        depth = find_depth(config.root, config)
        pictures = list_followed(depth, config).pictures
        check_folder_keys(pictures, depth, config)
        listed = count_places(pictures, depth, config)
        splits = frozenset(split for split, _, _ in listed)
        return Outline(
            splits, subjects=config.subject_pattern is not None, tally=tally_labels(listed, config.label_map)
        )


def has_class_folders(root: Path) -> bool:
    """Tell whether a folder has folders of expressions, alone or below a folder of a split."""
    names = list_folders(root)
    below = [one for name in names if parse_split(name) for one in list_folders(root / name)]
    return any(isinstance(parse_label(name, {}), str) for name in (*names, *below))


def find_depth(root: Path, config: SplitLabelledConfig) -> int:
    """Tell how many folders stand above a class folder: one if those below the root are splits, else none.

    Raises:
        LayoutError: None of them is a split or a class.
    """
    names = list_folders(root)
    if any(parse_split(name, config.split_map) for name in names):
        return 1
    if any(isinstance(parse_label(name, config.label_map), str) for name in names):
        return 0
    found = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "none"
    raise LayoutError(
        (
            ("root", "label_map"),
            f"{root}: no folder here is named like a split (train, valid, test) or an expression (happiness, ...); "
            f"folders found: {found}. Point root to the folder above them, or name the classes in label_map"
            f"{fitting_text(root, config.adapter)}",
        )
    )


def list_followed(depth: int, config: SplitLabelledConfig) -> Listing:
    """List the pictures; ``depth`` folders stand above a class folder.

    Raises:
        LayoutError: A whole class or split lies behind a link that isn't followed.
    """
    listing = list_pictures(config.root, follow_links=config.follow_links)
    passed = [reject.id for reject in listing.rejects if reject.detail == FOLDER_LINK]
    lost = [path for path in passed if path.count("/") < depth or _names_class(path, depth, config)]
    if lost:
        raise LayoutError((("follow_links",), f"{config.root}: {first_names(sorted(lost))}: {FOLDER_LINK}"))
    return listing


def _names_class(path: str, depth: int, config: SplitLabelledConfig) -> bool:
    """Tell whether a folder stands where classes do, and is named like one."""
    folders = path.split("/")
    return len(folders) == depth + 1 and isinstance(parse_label(folders[depth], config.label_map), str)


def check_folder_keys(pictures: Sequence[str], depth: int, config: SplitLabelledConfig) -> list[str]:
    """Refuse a ``label_map`` and a ``subject_pattern`` that no picture needs; say which labels none has."""
    check_subject_pattern(pictures, config)
    folders = {_class_folders(path, depth) for path in pictures}
    return check_label_keys({one[depth] for one in folders if len(one) > depth}, config)


def _class_folders(path: str, depth: int) -> tuple[str, ...]:
    """Give the folder of a picture's class and the ``depth`` folders above it, as far as there are any."""
    return tuple(path.split("/", depth + 1)[:-1])


def count_places(paths: Sequence[str], depth: int, config: SplitLabelledConfig) -> Counter[Place]:
    """Count pictures by the folders of their split and class; those that lie elsewhere are left out."""
    listed: Counter[Place] = Counter()
    for folders, number in Counter(_class_folders(path, depth) for path in paths).items():
        split = parse_split(folders[0], config.split_map) if depth else None
        if len(folders) > depth and (split or not depth):
            listed[split, None, folders[depth]] += number
    return listed


def read_places(paths: Sequence[str], depth: int, config: SplitLabelledConfig) -> tuple[list[Record], list[Reject]]:
    """Read split and label from the folders of pictures; ``depth`` folders stand above a class folder."""
    found = [_read_place(path, depth, config) for path in paths]
    return [one for one in found if isinstance(one, Record)], [one for one in found if isinstance(one, Reject)]


def _read_place(path: str, depth: int, config: SplitLabelledConfig) -> Record | Reject:
    """Read split and label from the folders of a picture; ``depth`` folders stand above the class folder."""
    folders = PurePosixPath(path).parts[:-1]
    split: Split | None = None
    if depth and folders:
        split = parse_split(folders[0], config.split_map)
        if split is None:
            detail = f"folder {folders[0]!r} is no split (train, valid, test); see split_map"
            return Reject(path, Reason.UNLABELLED, detail)
    if len(folders) <= depth:
        return Reject(path, Reason.UNLABELLED, "lies in no class folder")
    label = parse_label(folders[depth], config.label_map)
    if not isinstance(label, str):
        return Reject(path, *label)
    return Record(path, label, split, subject=parse_subject(path, config.subject_pattern))

"""What a folder holds, in one line for those in which no adapter finds a data set."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from shlex import quote

from fer_au.datasets.files import CLIP_SUFFIXES, FOLDER_LINK, Listing, first_names, list_folders
from fer_au.datasets.labels import parse_split
from fer_au.datasets.recognition import fitting_adapters
from fer_au.datasets.summary import example_map
from fer_au.errors import DataError
from fer_au.expressions import parse_expression
from fer_au.gate import read_bytes
from fer_au.registry import near_keys
from fer_au.terminal import counted
from fer_au.yaml_files import dump_inline

TABLES = (".csv", ".tsv", ".txt", ".lst", ".list")
"""Suffixes of files that may be label files."""

_ARCHIVES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_MOST_SETS = 16  # folders below a root that may each be a data set; more are persons or classes
_LONGEST_PATH = 4096  # bytes
_SHOWN = 8  # folders in a message
_READS = "adapters read pictures, and FER2013's table of pixels"
_LAYOUTS = "make class folders (happy/1.jpg), or a label file with a column of pictures and one of labels"


def check_folder_there(root: Path) -> None:
    """Refuse what is no folder that can be listed; say what it is instead.

    Raises:
        DataError: It is missing, an archive, another file, closed, or empty; one line that names it.
    """
    if not os.path.lexists(root):
        raise DataError(f"{root}: no such folder{_near(root)}")
    if not root.is_dir():
        raise DataError(f"{root}: {_name_file(root)}")
    try:
        empty = next(root.iterdir(), None) is None
    except OSError as error:
        raise DataError(f"{root}: {error.strerror}") from error
    if empty:
        raise DataError(f"{root}: an empty folder")


def _near(root: Path) -> str:
    """Name a sibling that may be meant."""
    try:
        names = [one.name for one in root.parent.iterdir() if one.is_dir()]
    except OSError:
        return f"; {root.parent} is missing, too" if not root.parent.exists() else ""
    near = near_keys(root.name, names, 2)
    return f"; did you mean {' or '.join(str(root.parent / name) for name in near)}?" if near else ""


def _name_file(path: Path) -> str:
    """Say what a path is that is no folder, and what to do."""
    if path.is_symlink() and not path.exists():
        return "a broken link"
    if not path.is_file():
        return "neither a folder nor a file"
    try:
        archive = _is_archive(path.name) or zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except OSError as error:
        return error.strerror or str(error)
    if archive:
        return "an archive; unpack it, and name the folder"
    if path.suffix.lower() in TABLES:
        return f"a table; name the folder that holds it: fer-au check-data {path.parent} --set labels={path.name}"
    return f"a file; name the folder that holds it, {path.parent}"


def _is_archive(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _ARCHIVES


def find_sets(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Find the folders right below a root, or in the only folder there, that are data sets of their own.

    Args:
        root: The root.
        folders: Names of the folders in it.

    Returns:
        Path of a folder below the root -> the first adapter that it looks like; nothing where they are parts, classes
        or persons of one set.
    """
    own = [name for name in folders if not (parse_split(name) or parse_expression(name))]
    if not 0 < len(own) <= _MOST_SETS:
        return {}
    found = {name: fitting_adapters(root / name) for name in own}
    if len(own) == 1 and not found[own[0]]:
        inner = list_folders(root / own[0])
        found = {f"{own[0]}/{name}": fitting_adapters(root / own[0] / name) for name in inner[:_MOST_SETS]}
    return {name: next((one for one in fits if one != "folder"), fits[0]) for name, fits in found.items() if fits}


def sets_line(root: Path, sets: dict[str, str]) -> str:
    """Say that a folder holds several data sets, and how they are read."""
    named = ", ".join(f"{name} (adapter {adapter})" for name, adapter in sets.items())
    keys = {_key(name): {"adapter": adapter, "root": name} for name, adapter in sets.items()}
    example = f"fer-au check-data union {root} --set {quote(f'sets={dump_inline(keys)}')}"
    return f"{root}: holds {len(sets)} data sets: {named}; check one of these folders, or join them: {example}"


def _key(name: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in name.lower()).strip("-") or "set"


def describe_unfit(root: Path, listing: Listing, folders: Sequence[str]) -> str:
    """Say why no adapter fits a folder, and what it holds.

    Args:
        root: The folder.
        listing: What lies below it.
        folders: Names of the folders in it.
    """
    if sets := find_sets(root, folders):
        if len(sets) > 1:
            return sets_line(root, sets)
        below, adapter = next(iter(sets.items()))
        return f"{root}: the data set lies below, adapter {adapter} fits it: fer-au check-data {root / below}"
    if not listing.pictures:
        return f"{root}: {_without_pictures(root, listing)}"
    pictures = f"{counted(len(listing.pictures), 'picture')}"
    classes = _class_folders(listing.pictures)
    if classes:
        shown = first_names(classes[:_SHOWN]) + (", ..." if len(classes) > _SHOWN else "")
        example = f"label_map={example_map(dict.fromkeys(classes, 'EXPRESSION'))}"
        return (
            f"{root}: {pictures}, and no folder is named like an expression (happiness, ...) or a known set's; folders "
            f"found: {shown}. If they are classes, say what they mean: --set {quote(example)}"
        )
    tables = [path for path in listing.others if PurePosixPath(path).suffix.lower() in TABLES]
    if tables:
        return f"{root}: {pictures}, and {first_names(tables[:3])} names none of them; {_LAYOUTS}"
    return f"{root}: {pictures} without labels: no class folder, no label file; {_LAYOUTS}"


def _is_link_text(path: Path) -> bool:
    """Tell whether a file holds nothing but a path."""
    try:
        text = read_bytes(path, _LONGEST_PATH).decode()
    except (OSError, UnicodeDecodeError):
        return False
    return "/" in text and len(text.split()) == 1


def _class_folders(pictures: Sequence[str]) -> list[str]:
    """List the folders that may be classes: those with pictures at the top, or below folders of splits."""
    found: set[str] = set()
    for path in pictures:
        parts = PurePosixPath(path).parts[:-1]
        if parts and parse_split(parts[0]):
            parts = parts[1:]
        found.update(parts[:1])
    return sorted(found) if len(found) > 1 else []


def _without_pictures(root: Path, listing: Listing) -> str:
    others = sorted(listing.others)
    kinds = Counter(PurePosixPath(path).suffix.lower() or "no suffix" for path in others)
    archives = [path for path in others if _is_archive(path)]
    videos = [path for path in others if PurePosixPath(path).suffix.lower() in CLIP_SUFFIXES]
    if any(reject.detail == FOLDER_LINK for reject in listing.rejects):
        return "nothing but links to folders; --set follow_links=true takes the pictures behind them"
    if not others and listing.rejects:
        first = listing.rejects[0]
        return f"nothing that can be read, such as {first.id}: {first.detail}"
    if not others:
        return f"only {first_names(listing.added)}, which archives and systems add; the pictures weren't unpacked"
    if archives:
        return f"no picture, but archives: {first_names(archives[:3])}; unpack them"
    if videos:
        table = "or those that a table names: --set labels=FILE"
        return f"{len(videos)} videos and no picture; adapter video reads clips in class folders, {table}"
    if all(_is_link_text(root / path) for path in others):
        return f"no picture; {first_names(others)} are texts that stand for links, as git writes without core.symlinks"
    held = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common(5))
    return f"no picture, but {held}; {_READS}"

"""Pictures below a root, and the paths that may be followed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from fer_au.datasets.folder_links import Origins, enter
from fer_au.datasets.spelling import Spellings, plain
from fer_au.errors import DataError
from fer_au.picture_formats import CONVERT
from fer_au.registry import near_keys
from fer_au.rejects import Reason, Reject

# Formats that the decoder refuses are listed too: such a file is a member of the set and becomes a reject, not a gap.
_DECODED = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff")
_REFUSED = (".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".ppm", ".pgm")
# Cameras write these beside a JPEG of the same shot: passed over, with a word about it.
_RAW = (".raw", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw", ".x3f")
# What archives, file servers and systems add, in lower case: pictures in such folders are copies and thumbnails.
_ADDED_FOLDERS = frozenset(
    ("__macosx", "@eadir", "#recycle", "@recycle", "#snapshot", "@tmp", "$recycle.bin", "lost+found", "found.000")
) | {"lost.dir", "system volume information", "network trash folder", "temporary items"}
_ADDED_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
_NAMED = 10  # items that a line names
_NEAR = 2  # names that may have been meant
_MD5 = re.compile("[0-9a-f]{2}/[0-9a-f]{30}")  # the end of a path in DVC's cache
_LOOKED_AT = 100_000  # files and folders of a search
_FEW = 64  # folders of a floor that are looked at: those of a layout, and not one for each person

FOLDER_LINK = "a link to a folder; `follow_links: true` takes the pictures behind it"
_LOOP = "a link to a folder that holds it"
PICTURE_SUFFIXES = frozenset(_DECODED + _REFUSED)
CLIP_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".m2v", ".wmv", ".asf", ".flv", ".ts", ".mts")
) | {".m2ts", ".3gp", ".ogv", ".mxf", ".dv"}
"""Suffixes of clips, in lower case."""


@dataclass
class Listing:
    """The files below a folder.

    Attributes:
        pictures: POSIX paths below the root, sorted.
        rejects: Entries that look like pictures and can't be read as files.
        others: POSIX paths below the root of other files that are no pictures.
        added: POSIX paths below the root of what is hidden or added by archives, file servers and systems; folders
            end in ``/``, and nothing in them is listed.
    """

    pictures: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    @cached_property
    def spellings(self) -> Spellings:
        """The paths, to be found by any Unicode form."""
        return Spellings((*self.pictures, *self.others, *self.added))

    @property
    def links_text(self) -> str:
        """Which folders are links that aren't followed, as the end of a message; empty if none are."""
        links = sorted(reject.id for reject in self.rejects if reject.detail == FOLDER_LINK)
        return f"; {first_names(links)}: {FOLDER_LINK}" if links else ""

    def notes(self, folder: Path, wanted: str = "picture") -> tuple[str, ...]:
        """Write lines about the files that are not wanted, if there are any below ``folder``, which was listed."""
        raw = [path for path in self.others if PurePosixPath(path).suffix.lower() in _RAW]
        other = sorted({*self.others} - {*raw})
        lines = []
        if other:
            lines.append(f"{len(other)} file(s) below {folder} that are named like no {wanted}: {first_names(other)}")
        if raw:
            names = first_names(sorted(raw))
            lines.append(f"{len(raw)} file(s) below {folder} of cameras' raw formats: {names}; {CONVERT}")
        if self.added:
            names = first_names(sorted(self.added))
            lines.append(f"{len(self.added)} below {folder}, hidden or added by archives or systems: {names}")
        return tuple(f"passed over, {line}" for line in lines)


def _is_added(name: str, *, folder: bool) -> bool:
    """Tell what archives, file servers and systems add to a folder by its name; hidden files are such, too."""
    return name.startswith(".") or name.lower() in (_ADDED_FOLDERS if folder else _ADDED_FILES)


def first_names(names: Sequence[str]) -> str:
    """Write the first ten names, and how many more there are."""
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return printable(", ".join(names[:_NAMED]) + more)


def check_root(root: Path) -> None:
    """Refuse a root that is missing, no folder, or empty.

    Raises:
        DataError: The root is unusable; one line that names it.
    """
    if not root.exists():
        raise DataError(f"{root}: the data set's root does not exist")
    if not root.is_dir():
        raise DataError(f"{root}: the data set's root is not a folder")
    try:
        if not any(root.iterdir()):
            raise DataError(f"{root}: the data set's root is empty")
    except OSError as error:
        raise DataError(f"{root}: {error.strerror}") from error


def list_folders(folder: Path) -> list[str]:
    """List the names of the folders in a folder, links included, sorted, without hidden ones and what systems add."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not _is_added(entry.name, folder=True))


def find_near(root: Path, names: Sequence[str], depth: int = 2) -> list[str]:
    """Find files by their names, in any case, in a folder and a few floors below it.

    Args:
        root: The folder.
        names: Names in lower case.
        depth: How many floors below it are looked at.

    Returns:
        POSIX paths below the root, the nearest first.

    Raises:
        OSError: The folder can't be read.
    """
    found: list[str] = []
    floor = [""]
    for _ in range(depth + 1):
        inner = []
        for above in floor:
            with os.scandir(root / above) as entries:
                for entry in entries:
                    if entry.is_dir() and not _is_added(entry.name, folder=True):
                        inner.append(f"{above}{entry.name}/")
                    elif entry.name.lower() in names and not entry.is_dir():
                        found.append(f"{above}{entry.name}")
        floor = sorted(inner)[:_FEW]
    return sorted(found, key=lambda path: (path.count("/"), path))


def list_pictures(root: Path, below: str = ".", *, follow_links: bool = False) -> Listing:
    """List everything below ``root/below`` that looks like a picture.

    Args:
        root: Root of the data set.
        below: POSIX path of a folder below it.
        follow_links: Whether links to folders are followed, also out of the root. They keep the name of the link.
    """
    listing = Listing()
    first = (root / below).relative_to(root).as_posix()
    inside = (root / below).resolve().is_relative_to(root.resolve())
    if not (inside or follow_links):  # names of strangers' files are no one's business
        listing.rejects.append(Reject(first, Reason.OUTSIDE_ROOT, FOLDER_LINK))
        return listing
    waiting: list[tuple[str, Origins]] = [("" if first == "." else f"{first}/", ())]
    while waiting:
        above, origins = waiting.pop()
        try:
            with os.scandir(root / above) as found:
                entries = list(found)
        except OSError as error:
            listing.rejects.append(Reject(above.rstrip("/") or ".", Reason.UNREADABLE, f"folder: {error.strerror}"))
            continue
        for entry in entries:
            named_picture = os.path.splitext(entry.name)[1].lower() in PICTURE_SUFFIXES  # noqa: PTH122 (quick)
            path = above + entry.name
            folder = os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112 (loops of links)
            if _is_added(entry.name, folder=folder):
                listing.added.append(f"{path}/" if folder else path)
            elif not folder:
                (listing.pictures if named_picture else listing.others).append(path)
            elif entry.is_symlink() and not follow_links:
                listing.rejects.append(Reject(path, Reason.OUTSIDE_ROOT, FOLDER_LINK))
            elif named_picture:
                listing.rejects.append(Reject(path, Reason.NOT_AN_IMAGE, "a folder"))
            elif (behind := enter(entry.path, origins) if entry.is_symlink() else origins) is None:
                listing.rejects.append(Reject(path, Reason.NOT_AN_IMAGE, _LOOP))
            else:
                waiting.append((f"{path}/", behind))
    listing.pictures.sort()
    return listing


def leads_below(path: str) -> bool:
    """Tell whether a path that a user wrote stays below the root: neither absolute, nor in the home folder, nor up."""
    parts = PurePosixPath(path).parts
    return not (PurePosixPath(path).is_absolute() or ".." in parts or parts[:1] == ("~",))


def spell_as_on_disk(root: Path, path: str) -> str:
    """Spell a path below the root as its folders and file are named, where they differ in their Unicode form alone."""
    found = PurePosixPath()
    for part in () if os.path.lexists(root / path) else PurePosixPath(path).parts:
        try:
            found /= Spellings(os.listdir(root / found)).find(part)  # noqa: PTH208 (names, as Spellings takes them)
        except OSError:
            return path
    return found.as_posix() if found.parts else path


def find_elsewhere(root: Path, path: str, *, folder: bool = False) -> list[str]:
    """Find what has the name of a missing file or folder elsewhere below the root.

    Args:
        root: Root of the data set.
        path: POSIX path below the root.
        folder: Whether it is a folder.

    Returns:
        Paths below the root, the nearest first; of a large set, only as far as a quick look goes.
    """
    name = plain(PurePosixPath(path).name)
    found, seen = [], 0
    for above, folders, files in os.walk(root):
        found += [
            Path(above, one).relative_to(root).as_posix()
            for one in (folders if folder else files)
            if plain(one) == name
        ]
        seen += len(folders) + len(files)
        if seen > _LOOKED_AT:
            break
    return sorted(found, key=lambda one: (one.count("/"), one))


def elsewhere_hint(root: Path, key: str, path: str, *, folder: bool = False) -> str:
    """Say where a missing file or folder lies, or what lies at its place under a near name; empty if nothing does."""
    if found := find_elsewhere(root, path, folder=folder):
        return printable(f"; it is below {root}: say `{key}: {found[0]}`")
    near = near_keys(PurePosixPath(path).name, _neighbours(root / path, folder=folder), _NEAR)
    return printable(f"; did you mean {' or '.join(near)}?") if near else ""


def _neighbours(path: Path, *, folder: bool) -> list[str]:
    """List the folders at a path's place, or the files with its suffix: a label file lies among many pictures."""
    try:
        entries = list(path.parent.iterdir())
    except OSError:
        return []
    if folder:
        return [entry.name for entry in entries if entry.is_dir()]
    return [entry.name for entry in entries if entry.suffix.lower() == path.suffix.lower() and entry.is_file()]


def resolve_below(root: Path, path: str, *, follow_links: bool = False) -> Path | Reject:
    """Find the file that a relative path names, or the reason not to open it.

    Args:
        root: Root of the data set, itself resolved.
        path: POSIX path that came from a label file or a folder.
        follow_links: Whether it may be a link to any file outside the root, or lie behind a link to a folder. A link to
            a file that DVC or git-annex keeps for its owner always may: that is how they put pictures into a folder.

    Returns:
        The path to open, or a reject: absolute, containing ``..``, a link that leads out of the root, missing, or no
        regular file (a device or a pipe would block the reader).
    """
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        return Reject(path, Reason.OUTSIDE_ROOT, "absolute, or contains ..")
    try:
        path.encode()
        file = root / path
        target = file.resolve()
        if not (follow_links or target.is_relative_to(root)):
            if not file.parent.resolve().is_relative_to(root):  # what changes there, `stamp` doesn't see
                return Reject(path, Reason.OUTSIDE_ROOT, f"below {FOLDER_LINK}")
            if not _is_kept(target):
                detail = "a link that leads out of the root; `follow_links: true` takes such pictures"
                return Reject(path, Reason.OUTSIDE_ROOT, detail)
        if file.is_dir():
            return Reject(path, Reason.NOT_AN_IMAGE, "a folder")
        if not file.exists():
            return Reject(path, Reason.MISSING_FILE, _why_missing(file))
        if not file.is_file():
            return Reject(path, Reason.NOT_AN_IMAGE, "no regular file")
    except UnicodeEncodeError:
        return Reject(printable(path), Reason.UNREADABLE, "the file's name is not valid UTF-8")
    except RuntimeError:
        return Reject(path, Reason.MISSING_FILE, "a loop of links")
    except (OSError, ValueError) as error:  # a NUL, a name that is too long
        return Reject(path, Reason.UNREADABLE, getattr(error, "strerror", None) or str(error))
    return file


def check_below(root: Path, path: str, *, follow_links: bool) -> None:
    """Refuse a table that leads out of the root, by the rule that holds for pictures.

    Args:
        root: Root of the data set.
        path: POSIX path of the table below it.
        follow_links: Whether it may be a link to any file outside the root, see ``resolve_below``.

    Raises:
        DataError: It leads out of the root.
    """
    found = resolve_below(root.resolve(), path, follow_links=follow_links)
    if isinstance(found, Reject) and found.reason is Reason.OUTSIDE_ROOT:
        raise DataError(f"{root / path}: {found.detail.replace('such pictures', 'it')}")


def _is_kept(target: Path) -> bool:
    """Tell whether a file lies in DVC's cache or in git-annex, where its path is the hash of its bytes."""
    if "annex/objects" in target.as_posix():
        return target.name == target.parent.name
    return bool(_MD5.fullmatch(f"{target.parent.name}/{target.name}"))


def _why_missing(file: Path) -> str:
    """Say why a file is not there, and how its keeper brings it."""
    if file.is_symlink():
        if ".git/annex/" in file.readlink().as_posix():
            return "a broken link of git-annex; `git annex get` brings the picture"
        kept = _is_kept(file.readlink())
        return "a broken link" + (" into DVC's cache; `dvc pull` brings the picture" if kept else "")
    if file.with_name(f"{file.name}.dvc").is_file():
        return f"no such file, but {file.name}.dvc; `dvc pull` brings the picture"
    return "no such file"


def printable(path: str) -> str:
    r"""Make a path writable as UTF-8: undecodable bytes of a file name become ``\udcXX`` escapes."""
    return path.encode("utf-8", "backslashreplace").decode()

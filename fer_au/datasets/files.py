"""Pictures below a root, and the paths that may be followed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from fer_au.errors import DataError
from fer_au.rejects import Reason, Reject

# Formats that the decoder refuses are listed too: such a file is a member of the set and becomes a reject, not a gap.
_DECODED = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp")
_REFUSED = (".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".ppm", ".pgm")
_NAMED = 10  # items that a line names

PICTURE_SUFFIXES = frozenset(_DECODED + _REFUSED)


@dataclass
class Listing:
    """The files below a folder.

    Attributes:
        pictures: POSIX paths below the root, sorted.
        rejects: Entries that look like pictures and can't be read as files.
        others: POSIX paths below the root of files that are no pictures, hidden files and folders included.
    """

    pictures: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def notes(self, folder: Path) -> tuple[str, ...]:
        """Write a line about the files that are no pictures, if there are any below ``folder``, which was listed."""
        if not self.others:
            return ()
        names = first_names(sorted(self.others))
        return (f"passed over, {len(self.others)} file(s) below {folder} that are named like no picture: {names}",)


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
    """List the names of the visible folders in a folder, links to folders included, sorted."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def list_pictures(root: Path, below: str = ".") -> Listing:
    """List everything below ``root/below`` that looks like a picture. Links to folders are not followed."""
    listing = Listing()
    waiting = [root / below]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(folder.iterdir())
        except OSError as error:
            path = folder.relative_to(root).as_posix()
            listing.rejects.append(Reject(path, Reason.UNREADABLE, f"folder: {error.strerror}"))
            continue
        for entry in entries:
            visible = not entry.name.startswith(".")
            named_picture = visible and entry.suffix.lower() in PICTURE_SUFFIXES
            path = entry.relative_to(root).as_posix()
            if not os.path.isdir(entry):  # noqa: PTH112 (Path.is_dir raises on a loop of links)
                (listing.pictures if named_picture else listing.others).append(path)
            elif not visible:
                listing.others.append(path)
            elif entry.is_symlink():
                listing.rejects.append(Reject(path, Reason.NOT_AN_IMAGE, "links to folders are not followed"))
            elif named_picture:
                listing.rejects.append(Reject(path, Reason.NOT_AN_IMAGE, "a folder"))
            else:
                waiting.append(entry)
    listing.pictures.sort()
    return listing


def holds_picture(folder: Path) -> bool:
    """Tell whether something below a folder is named like a picture; the search ends at the first."""
    return any(
        not name.startswith(".") and PurePath(name).suffix.lower() in PICTURE_SUFFIXES
        for _, _, names in os.walk(folder)
        for name in names
    )


def leads_below(path: str) -> bool:
    """Tell whether a path that a user wrote stays below the root: neither absolute, nor in the home folder, nor up."""
    parts = PurePosixPath(path).parts
    return not (PurePosixPath(path).is_absolute() or ".." in parts or parts[:1] == ("~",))


def resolve_below(root: Path, path: str) -> Path | Reject:
    """Find the file that a relative path names, or the reason not to open it.

    Args:
        root: Root of the data set, itself resolved.
        path: POSIX path that came from a label file or a folder.

    Returns:
        The path to open, or a reject: absolute, containing ``..``, a link that leads out of the root, missing, or no
        regular file (a device or a pipe would block the reader).
    """
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        return Reject(path, Reason.OUTSIDE_ROOT, "absolute, or contains ..")
    try:
        path.encode()
        file = root / path
        if not file.resolve().is_relative_to(root):
            return Reject(path, Reason.OUTSIDE_ROOT, "a link that leads out of the root")
        if file.is_dir():
            return Reject(path, Reason.NOT_AN_IMAGE, "a folder")
        if not file.exists():
            return Reject(path, Reason.MISSING_FILE, "a broken link" if file.is_symlink() else "no such file")
        if not file.is_file():
            return Reject(path, Reason.NOT_AN_IMAGE, "no regular file")
    except UnicodeEncodeError:
        return Reject(printable(path), Reason.UNREADABLE, "the file's name is not valid UTF-8")
    except RuntimeError:
        return Reject(path, Reason.MISSING_FILE, "a loop of links")
    except (OSError, ValueError) as error:  # a NUL, a name that is too long
        return Reject(path, Reason.UNREADABLE, getattr(error, "strerror", None) or str(error))
    return file


def printable(path: str) -> str:
    r"""Make a path writable as UTF-8: undecodable bytes of a file name become ``\udcXX`` escapes."""
    return path.encode("utf-8", "backslashreplace").decode()

"""What lies below the root of a data set, as one hash: by it DVC knows whether the pictures changed.

DVC could hash the folder itself, but it opens whatever it meets there: a pipe stops it for ever, a broken link or a
name that is no UTF-8 ends it. Here such an entry is a line of the listing, as it is a row of ``rejects/ingest.csv``. A
file's bytes are read once; after that its size, its times and its place on the disk vouch for it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from fer_au.atomic import write_atomically
from fer_au.compute.mapping import batched
from fer_au.compute.progress import Progress
from fer_au.datasets.folder_links import Origins, enter
from fer_au.errors import StoreError
from fer_au.gate import TABLES, read_bytes

FOLDER = Path(".fer_au/roots")
"""Hashes of files that were read before, one file for each root."""

_FORM = b"fer_au roots 1"
_THREADS = 8  # a folder on another machine answers many questions at once
_PIECE = 1 << 20
_TOGETHER = 256  # files that a thread asks about in one go
_FRESH_NS = 2_000_000_000  # a file that changed this recently may change again without another time: not vouched for

_Vouched = tuple[bytes, bytes]  # what vouches for a file: size, times, place; and the sha256 of its bytes
_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


def root_digest(root: Path, label: str, folder: Path | None = FOLDER, *, follow_links: bool = False) -> str:
    """Hash names and bytes of all that lies below a folder.

    Args:
        root: The folder.
        label: Name of the run in progress lines.
        folder: Folder that remembers the hashes of files; None reads every file.
        follow_links: Whether what lies behind links to folders counts, as it does in the listing of pictures.

    Returns:
        64 hexadecimal digits. The same on every machine: no times, owners or absolute paths count.

    Raises:
        OSError: The root itself can't be listed.
    """
    start = os.fsencode(root)
    leaves, words = _walk(start, follow_links=follow_links)
    memory = folder and folder / f"{hashlib.sha256(os.path.abspath(start)).hexdigest()[:32]}.txt"  # noqa: PTH100 (bytes)
    known = _recall(memory) if memory else {}
    now = time.time_ns()
    looked = dict(zip(leaves, _spread(lambda leaf: _look(os.path.join(start, leaf)), leaves), strict=True))  # noqa: PTH118
    files = {leaf: vouching for leaf, (vouching, _) in looked.items() if vouching}
    words |= {leaf: word for leaf, (vouching, word) in looked.items() if not vouching}
    vouched = {leaf: known[leaf] for leaf, vouching in files.items() if leaf in known and known[leaf][0] == vouching}
    unread = [leaf for leaf in files if leaf not in vouched]
    fresh: set[bytes] = set()
    try:
        with Progress(label, len(unread), "files") as progress:
            read = _spread(lambda leaf: _read(os.path.join(start, leaf)), unread, lambda: progress.advance(1))  # noqa: PTH118
            for leaf, (digest, word) in zip(unread, read, strict=True):
                if word:
                    words[leaf] = word
                    continue
                vouched[leaf] = files[leaf], digest
                if int(files[leaf].split()[2]) > now - _FRESH_NS:
                    fresh.add(leaf)
    finally:  # what was read before Ctrl-C need not be read again
        if memory and (unread or len(vouched) != len(known)):
            _remember(memory, {leaf: one for leaf, one in vouched.items() if leaf not in fresh})
    found = {leaf: digest for leaf, (_, digest) in vouched.items()} | words
    return hashlib.sha256(b"".join(leaf + b"\0" + found[leaf] + b"\0" for leaf in sorted(found))).hexdigest()


def has_entries(root: Path) -> bool:
    """Tell whether a folder can be listed and holds anything: a disk that isn't mounted may leave an empty folder."""
    try:
        with os.scandir(root) as entries:
            return os.access(root, os.X_OK) and next(entries, None) is not None
    except OSError:
        return False


def odd_entries(root: Path) -> list[str]:
    """List what lies below a folder and is neither a folder nor a readable file, sorted, each with what it is."""
    start = os.fsencode(root)
    leaves, words = _walk(start)
    looked = zip(leaves, _spread(lambda leaf: _look(os.path.join(start, leaf)), leaves), strict=True)  # noqa: PTH118
    words |= {leaf: word for leaf, (vouching, word) in looked if not vouching and word != _LINK}
    return [f"{os.fsdecode(leaf)} ({words[leaf].decode()})" for leaf in sorted(words)]


def note_rendered(name: str, root: Path | None) -> None:
    """Write ``data/NAME/rendered.json``: the hash of the faces that were rendered, or that none were.

    Args:
        name: Name of the data set.
        root: Folder of the rendered faces; None for a data set of one's own.
    """
    path = Path("data") / name / "rendered.json"
    text = json.dumps({"sha256": root_digest(root, f"look at {root}", None) if root else None}) + "\n"
    if not path.is_file() or path.read_bytes() != text.encode():
        write_atomically(path, text.encode())


_LINK = b"a link to a folder"


def _walk(start: bytes, *, follow_links: bool = False) -> tuple[list[bytes], dict[bytes, bytes]]:
    """List the paths below a folder of all that is no folder; and the folders that can't be listed, with the reason."""
    leaves: list[bytes] = []
    closed: dict[bytes, bytes] = {}
    waiting: list[tuple[bytes, Origins]] = [(b"", ())]
    while waiting:
        above, origins = waiting.pop()
        try:
            with os.scandir(os.path.join(start, above)) as found:  # noqa: PTH118 (bytes)
                for entry in found:
                    behind: Origins | None = origins if entry.is_dir(follow_symlinks=False) else None
                    if follow_links and entry.is_symlink() and os.path.isdir(entry.path):  # noqa: PTH112 (bytes)
                        behind = enter(entry.path, origins)
                    if behind is None:
                        leaves.append(above + entry.name)
                    else:
                        waiting.append((above + entry.name + b"/", behind))
        except OSError as error:
            if not above:
                raise
            closed[above] = _why(error)
    return leaves, closed


def _look(path: bytes) -> tuple[bytes, bytes]:
    """Ask for a file's size, times and place; of all else, say what it is."""
    try:
        found = os.stat(path)  # noqa: PTH116 (bytes)
    except OSError as error:
        return b"", _why(error)
    if stat.S_ISREG(found.st_mode):
        return b"%d %d %d %d" % (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino), b""
    return b"", _LINK if stat.S_ISDIR(found.st_mode) else b"no regular file"


def _read(path: bytes) -> tuple[bytes, bytes]:
    """Hash a file's bytes; or say why that can't be done."""
    digest = hashlib.sha256()
    try:
        # O_NONBLOCK: what was a file a moment ago may be a pipe now.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            opened = os.fstat(descriptor)
            if not stat.S_ISREG(opened.st_mode):
                return b"", b"no regular file"
            left = opened.st_size  # no more: some files of the system have no end
            while left > 0 and (piece := os.read(descriptor, min(left, _PIECE))):
                digest.update(piece)
                left -= len(piece)
        finally:
            os.close(descriptor)
    except OSError as error:
        return b"", _why(error)
    return digest.hexdigest().encode(), b""


def _why(error: OSError) -> bytes:
    return errno.errorcode.get(error.errno or 0, "error").encode()


def _spread(
    ask: Callable[[_Item], _Answer], items: Sequence[_Item], done: Callable[[], object] = lambda: None
) -> Iterable[_Answer]:
    """Ask in several threads; answers come in the order of the items."""

    def ask_all(some: Sequence[_Item]) -> list[_Answer]:
        return [ask(item) for item in some]

    pool = ThreadPoolExecutor(_THREADS)
    try:
        for answers in pool.map(ask_all, batched(items, _TOGETHER)):
            for answer in answers:
                done()
                yield answer
    finally:
        pool.shutdown(cancel_futures=True)


def _recall(path: Path) -> dict[bytes, _Vouched]:
    """Read what vouched for the files last time, and their hashes; nothing where that file is absent or damaged."""
    try:
        form, *fields, end = read_bytes(path, TABLES).split(b"\0")
    except (OSError, ValueError):
        return {}
    if form != _FORM or end or len(fields) % 3:
        return {}
    return dict(zip(fields[::3], zip(fields[1::3], fields[2::3], strict=True), strict=True))


def _remember(path: Path, vouched: dict[bytes, _Vouched]) -> None:
    """Write what vouches for the files; a disk that refuses costs the next run time, no more."""
    fields = [_FORM, *(field for leaf, one in vouched.items() for field in (leaf, *one)), b""]
    with suppress(StoreError):
        write_atomically(path, b"\0".join(fields))

"""The structure of an HDF5 file (attributes, columns, their places), read through HDF5 within bounds.

HDF5 may crash, hang or fill the memory on a file that was made to do so, and a seal is no signature: anybody can make
one. So this module is a program of its own, which ``fer_au.stores.parser`` starts: it answers a path by a line of JSON.
Whatever it was led to, it ends after some seconds of work, or at some gigabytes.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from math import prod
from typing import Any

import h5py
import numpy as np

from fer_au.errors import StoreError

_DEEPEST = 4  # groups in groups: table/counts is 2
_MOST_OBJECTS = 100_000  # columns and groups: an evaluation has some hundreds
_MOST_ATTRIBUTES = 10_000
_LONGEST_NAME = 1000
_LONGEST_TEXT = 1 << 20
_MOST_AXES = 8
_KINDS = "biufS"
_SECONDS = 5  # of work; an evaluation of 6,000 columns takes a tenth of that
_MEMORY = 4 << 30


def read_structure(path: str) -> dict[str, Any]:
    """Read what a store declares of itself, as plain JSON data; no value of a column is read.

    Returns:
        ``attributes``: name -> text or number. ``columns``: name, numpy type, shape and place of each column, in order.

    Raises:
        StoreError: It is more than a store may be: links, values in other files or in pieces, other types, no end.
    """
    size = os.stat(path).st_size  # noqa: PTH116 (a name as the client has it)
    try:
        with h5py.File(path, "r") as file:
            if len(file.attrs) > _MOST_ATTRIBUTES:
                raise StoreError(f"{path}: more than {_MOST_ATTRIBUTES} attributes; refused")
            attributes = {_name(key, path): _plain(value, key, path) for key, value in file.attrs.items()}
            return {"attributes": attributes, "columns": _columns(file, path, size)}
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: HDF5 can't open it: {error}") from error
    except Exception as error:  # h5py raises nearly everything on a structure that contradicts itself
        raise StoreError(f"{path}: its structure is damaged: {error or type(error).__name__}") from error


def _columns(file: h5py.File, path: str, size: int) -> list[list[object]]:
    """List plain contiguous datasets, also inside groups. Low-level calls: shards are opened by the thousand."""
    columns: list[list[object]] = []
    first = file.userblock_size
    count = 0

    def enter(group: h5py.h5g.GroupID, prefix: bytes, depth: int) -> None:
        nonlocal count
        if depth > _DEEPEST:
            raise StoreError(f"{path}: groups lie more than {_DEEPEST} deep; refused")
        for key in group:
            count += 1
            if count > _MOST_OBJECTS:
                raise StoreError(f"{path}: more than {_MOST_OBJECTS} columns; refused")
            name = _name(prefix + key, path)
            if group.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                raise StoreError(f"{path}: {name} is a link to elsewhere; refused")
            member = h5py.h5o.open(group, key)
            if isinstance(member, h5py.h5g.GroupID):
                enter(member, prefix + key + b"/", depth + 1)
            elif isinstance(member, h5py.h5d.DatasetID):
                columns.append(_column(member, name, path, first, size))
            else:
                raise StoreError(f"{path}: {name} is no column; refused")

    enter(file.id, b"", 1)
    return columns


def _column(member: h5py.h5d.DatasetID, name: str, path: str, first: int, size: int) -> list[object]:
    """Describe a column; one that doesn't lie in this file, in one piece and between its ends, is refused."""
    create = member.get_create_plist()
    if create.get_layout() == h5py.h5d.VIRTUAL or create.get_external_count():
        raise StoreError(f"{path}: {name} keeps its values in another file; refused")
    shape, dtype = member.shape, member.dtype
    if not shape or len(shape) > _MOST_AXES or dtype.kind not in _KINDS:
        raise StoreError(f"{path}: {name} is {dtype} of shape {shape}, which no column is; refused")
    place, length = member.get_offset(), dtype.itemsize * prod(shape)
    if not length:
        return [name, dtype.str, shape, 0]
    if place is None or create.get_layout() != h5py.h5d.CONTIGUOUS:
        raise StoreError(f"{path}: {name} is not stored in one piece; refused")
    if place < first:  # HDF5 counts an address that was never given from the end of the seal
        raise StoreError(f"{path}: {name} was never written; refused")
    if place + length > size:
        raise StoreError(f"{path}: {name} declares {length} bytes, more than the file has; refused")
    return [name, dtype.str, shape, place]


def _name(name: bytes | str, path: str) -> str:
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    if len(text) > _LONGEST_NAME or not text.isprintable() or "\\x" in text:
        raise StoreError(f"{path}: a name that no store has: {text[:80]!r}; refused")
    return text


def _plain(value: object, key: str, path: str) -> str | int | float:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        value.encode()  # a name of another encoding is no text
    elif not isinstance(value, int | float):
        raise StoreError(f"{path}: attribute {key!r} is neither a text nor a number; refused")
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        raise StoreError(f"{path}: attribute {key!r} is longer than {_LONGEST_TEXT} characters; refused")
    return value


def main() -> None:
    """Answer each line of stdin, a path, by one of stdout; ends with its client, or by the bounds above."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the client's
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, _SECONDS)
        try:
            answer = read_structure(json.loads(line))
        except (StoreError, OSError, MemoryError) as error:
            answer = {"error": str(error) or "its structure fills the memory"}
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

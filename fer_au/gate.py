"""The one gate for files that others may have written: regular, of a bounded size, and opened once.

A pipe would hold the reader for ever, ``/dev/zero`` would fill the memory, and what was looked at by name may be
another file when it is opened. Every refusal is an ``OSError`` whose ``strerror`` says why, as the system's own are.
"""

from __future__ import annotations

import errno
import io
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

MB = 1 << 20
SETTINGS = 16 * MB
"""Most bytes of settings and records: YAML and JSON."""
TABLES = 2048 * MB
"""Most bytes of a table: 300,000 rows of 68 points are a sixth of it."""
PICTURES = 512 * MB
"""Most bytes of a picture's file."""
CLIPS = 65_536 * MB
"""Most bytes of a clip, of which a piece is read at a time."""
WEIGHTS = 16_384 * MB
"""Most bytes of a network's weights."""

_PIECE = 1 << 24


def open_regular(path: Path | str, most: int | None = None) -> int:
    """Open a regular file for reading.

    Args:
        path: The file, or a link to it.
        most: Most bytes that it may have.

    Returns:
        Its descriptor, which the caller closes.

    Raises:
        OSError: It can't be opened, is no regular file, or is larger; ``strerror`` says so.
    """
    try:
        # O_NONBLOCK: a pipe without a writer would hold this call for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a NUL in the path
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "no regular file, but a pipe, a socket or a device", str(path))
        if most is not None and found.st_size > most:
            raise _too_large(path, most)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_bytes(path: Path | str, most: int) -> bytes:
    """Read a whole file of at most ``most`` bytes; raises as ``open_regular``."""
    descriptor = open_regular(path, most)
    try:
        pieces, length = [], 0
        # Until its end, and not by the size that was told: files of the system tell none, and others may still grow.
        while piece := os.read(descriptor, min(_PIECE, most + 1 - length)):
            pieces.append(piece)
            length += len(piece)
            if length > most:
                raise _too_large(path, most)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(descriptor)


def read_text(path: Path | str, most: int = SETTINGS) -> str:
    """Read a whole UTF-8 text; raises as ``open_regular``, and ``UnicodeDecodeError``."""
    return read_bytes(path, most).decode("utf-8")


def read_json(path: Path | str, most: int = SETTINGS) -> Any:  # noqa: ANN401 (any plain data)
    """Read a JSON file; raises as ``open_regular``, and ``ValueError`` for what is no JSON, or nested too deeply."""
    try:
        return json.loads(read_text(path, most))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def open_table(path: Path | str, encoding: str = "utf-8") -> TextIO:
    """Open a text of rows as the ``csv`` module takes it, line ends as they are; raises as ``open_regular``."""
    descriptor = open_regular(path, TABLES)
    try:
        return io.open(descriptor, encoding=encoding, newline="")  # noqa: UP020 (the name says that it is a stream)
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise


def _too_large(path: Path | str, most: int) -> OSError:
    return OSError(errno.EFBIG, f"larger than {most // MB} MB", str(path))

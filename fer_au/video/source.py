"""Open what a user names as a video: a file, a pipe or standard input, a camera."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

from fer_au.clip_decoding import ClipFault, open_clip
from fer_au.errors import ConfigError, DataError
from fer_au.gate import CLIPS, open_regular
from fer_au.video.camera import open_camera
from fer_au.video.clip import ClipFootage
from fer_au.video.footage import Footage

STDIN = "-"
_NO_REWIND = "as a stream, FFmpeg reads Matroska, MPEG-TS and fragmented MP4, whose header comes first"


@contextmanager
def open_source(word: str) -> Iterator[Footage]:
    """Open what a user names: digits are a camera, ``-`` is standard input, all else a file or a named pipe.

    Args:
        word: What the user typed.

    Raises:
        ConfigError: It is a URL.
        DataError: It can't be opened, or holds no frame; also from the block.
    """
    if "://" in word:
        raise ConfigError(
            f"{word}: nothing is read from a network; save the video first, or pipe it: "
            "`ffmpeg -i URL -c copy -f matroska - | fer-au video MODEL - -o FILE`"
        )
    if word.isascii() and word.isdigit():
        with open_camera(int(word)) as camera:
            yield camera
        return
    name = "standard input" if word == STDIN else word
    with _open(word) as file:
        rewinds = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        try:
            with open_clip(file if rewinds else _Stream(file).stream) as container:
                yield ClipFootage(container, name, live=not rewinds)
        except ClipFault as fault:
            hint = "" if rewinds or str(fault) != "no clip that FFmpeg reads" else f"; {_NO_REWIND}"
            raise DataError(f"{name}: {fault}{hint}") from fault


class _Stream:
    """A pipe as FFmpeg reads it: what is there, without waiting for more, and never back."""

    def __init__(self, file: BufferedReader) -> None:
        self.read, self.fileno = file.read1, file.fileno

    @property
    def stream(self) -> IO[bytes]:
        """The pipe, by the name of its type; nothing else of it is used."""
        return cast("IO[bytes]", self)


@contextmanager
def _open(word: str) -> Iterator[BufferedReader]:
    """Open a file for reading; a pipe, once somebody writes to it."""
    if word == STDIN:
        yield cast("BufferedReader", sys.stdin.buffer)
        return
    try:
        path = Path(word)
        file = path.open("rb") if path.is_fifo() else os.fdopen(open_regular(path, CLIPS), "rb")
    except OSError as error:
        hint = "; pictures are classified by `fer-au predict`" if isinstance(error, IsADirectoryError) else ""
        raise DataError(f"{word}: {error.strerror or error}{hint}") from error
    with file:
        yield file

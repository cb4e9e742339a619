"""Where frames come from: a file, a pipe or standard input, a camera; each frame upright and with its own time."""

from __future__ import annotations

import os
import stat
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from fer_au.clip_decoding import ClipFault, check_end, decode, find_stream, open_clip, upright_pixels, usual_interval
from fer_au.datasets.inspection import MIN_SIDE
from fer_au.errors import ConfigError, DataError
from fer_au.gate import CLIPS, open_regular
from fer_au.rejects import Reason

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.audio.stream import AudioStream
    from av.container import InputContainer

STDIN = "-"
_NO_REWIND = "as a stream, FFmpeg reads Matroska, MPEG-TS and fragmented MP4, whose header comes first"
_MAX_RATE = 480  # frames per second; a higher one, as of some screen recordings, counts ticks and not frames


@dataclass(frozen=True)
class Frame:
    """A frame of a video.

    Attributes:
        number: Number of the frame, from 0.
        pts: Its own time, in units of its source.
        time: The same in seconds.
        image: (H, W, 3) uint8 RGB, upright.
    """

    number: int
    pts: int
    time: float
    image: NDArray[np.uint8]


class Footage(ABC):
    """Frames of one source, read once from the first to the last.

    Attributes:
        name: What the user calls it.
        unit: Unit of the frames' times, in seconds.
        rate: Usual number of frames per second.
        aspect: Width of a pixel, relative to its height, in upright frames.
        total: Number of frames, as far as the header tells; 0 where it doesn't.
        live: Whether the world goes on while a frame is looked at.
        sounds: Streams of sound.
        packets: Packets of those, in their order, up to the frame that was read last; the reader takes them away.
        fault: What ended the frames early: reason and words; None if nothing did.
    """

    name: str
    unit: Fraction
    rate: Fraction
    aspect: Fraction = Fraction(1)
    total: int = 0
    live: bool = False
    fault: tuple[Reason, str] | None = None

    def __init__(self) -> None:
        self.sounds: list[AudioStream] = []
        self.packets: deque[Packet[Any]] = deque()

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Read the frames.

        Raises:
            DataError: There is no frame at all; the message names the source.
        """


class ClipFootage(Footage):
    """Frames of a clip that FFmpeg reads, up to its end or its first fault.

    Args:
        container: Open clip.
        name: What the user calls it.
        live: Whether frames may come as the world goes on.

    Raises:
        ClipFault: It has no stream of frames.
    """

    def __init__(self, container: InputContainer, name: str, *, live: bool = False) -> None:
        super().__init__()
        self.name, self.live, self._container = name, live, container
        self._stream: VideoStream = find_stream(container)
        self.sounds = [one for one in container.streams.audio if one.codec_context is not None]
        self._interval = usual_interval(self._stream)
        rate = 1 / self._interval
        self.rate = rate if rate <= _MAX_RATE else Fraction(30)
        self.unit = self._stream.time_base or Fraction(1, 90_000)
        self.total = self._stream.frames or _frames_of(container, self._stream, rate)
        self._step = max(round(self._interval / self.unit), 1)
        self._shift = 0
        self._heard = dict.fromkeys((one.index for one in self.sounds), 0.0)  # where each sound ends, in seconds

    def frames(self) -> Iterator[Frame]:
        """Read the frames; see ``Footage``."""
        import av

        first = last = None
        try:
            for number, decoded in enumerate(decode(self._container, self._stream, self.sounds, self._take)):
                frame = self._read(number, decoded, last)
                if first is None:
                    first = frame
                    self._look(decoded, frame)
                elif frame.image.shape != first.image.shape:
                    raise ClipFault(
                        Reason.UNSUPPORTED_FORMAT, f"frames of {_size(frame)} follow those of {_size(first)}"
                    )
                last = frame
                yield frame
            ended = None if last is None or first is None else last.time - first.time + float(self._interval)
            check_end(self._container, self._stream, ended, _place(last), [*self._heard.values()])
        except ClipFault as fault:
            if last is None:
                raise
            words = str(fault) if str(fault).startswith("ends") else f"{fault} after {_place(last)}"
            self.fault = (fault.reason, words)
        except av.FFmpegError as error:
            if last is None:
                raise
            self.fault = (Reason.UNREADABLE, f"damaged after {_place(last)}: {error.strerror or error}")

    def _take(self, packet: Packet[Any]) -> None:
        if packet.pts is not None and packet.time_base is not None:
            self._heard[packet.stream.index] = float((packet.pts + (packet.duration or 0)) * packet.time_base)
        self.packets.append(packet)

    def _read(self, number: int, decoded: VideoFrame, last: Frame | None) -> Frame:
        unit = decoded.time_base or self.unit
        pts = None if decoded.pts is None else round(decoded.pts * unit / self.unit)
        if last is None:
            pts = pts or 0
        elif pts is None:
            pts = last.pts + self._step
        pts += self._shift
        if last is not None and pts <= last.pts:  # a clock that was set back goes on from where it was
            self._shift += last.pts + self._step - pts
            pts = last.pts + self._step
        return Frame(number, pts, float(pts * self.unit), upright_pixels(decoded))

    def _look(self, decoded: VideoFrame, frame: Frame) -> None:
        """Learn from the first frame how pixels lie, and whether a face fits at all."""
        height, width = frame.image.shape[:2]
        if min(width, height) < MIN_SIDE:
            raise ClipFault(Reason.TOO_SMALL, f"{width}x{height}: a side below {MIN_SIDE} pixels")
        aspect = self._stream.sample_aspect_ratio or Fraction(1)
        turned = (decoded.width, decoded.height) != (width, height)
        self.aspect = 1 / aspect if turned and aspect else aspect or Fraction(1)


def _frames_of(container: InputContainer, stream: VideoStream, rate: Fraction) -> int:
    """Guess the number of frames from the length that the header tells."""
    if stream.duration and stream.time_base:
        return round(stream.duration * stream.time_base * rate)
    return round(Fraction(container.duration, 1_000_000) * rate) if container.duration else 0


def _size(frame: Frame) -> str:
    return f"{frame.image.shape[1]}x{frame.image.shape[0]}"


def _place(frame: Frame | None) -> str:
    return "its begin" if frame is None else f"frame {frame.number} ({frame.time:.2f} s)"


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
        from fer_au.video.camera import open_camera

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

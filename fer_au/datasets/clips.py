"""Clips, whose frames become pictures: decoded by FFmpeg, turned upright, and named by their time.

The decoder runs alone in its thread and conceals nothing: what comes after a fault is not taken. Colours are computed
without the processor's shortcuts, so that equal frames give equal bytes everywhere.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_au.datasets.inside import Inside, Reel
from fer_au.datasets.plain_png import plain_png
from fer_au.decoding import MAX_PIXELS
from fer_au.gate import CLIPS, open_regular
from fer_au.rejects import Reason, Reject

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer

# Containers that hold frames themselves: playlists and scripts name other files, and would have them opened.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,asf,flv,ogg,mxf,dv"
_STRICT = {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)}
_BUFFER = 1 << 20  # bytes that the decoder asks for at a time
_USUAL_RATE = 25  # frames per second, of a clip that tells neither its rate nor its times
_LACKING = 0.5  # seconds: a clip that ends earlier than its header says was cut short
_MATRIX = 9  # numbers of a display matrix, by rows, of which the first two of two rows turn and mirror


@dataclass(frozen=True)
class Span:
    """A part of a clip.

    Attributes:
        key: ``Record.face_key`` of the part; None for the whole clip.
        start: Its begin in milliseconds.
        end: Its end in milliseconds, which is not in it; None for the clip's.
    """

    key: str | None = None
    start: int = 0
    end: int | None = None

    def holds(self, time: int) -> bool:
        """Tell whether a time, in milliseconds, lies in it."""
        return self.start <= time and (self.end is None or time < self.end)


@dataclass(frozen=True)
class Sampling:
    """Which frames of a part are taken.

    Attributes:
        every: Each how many frames one is taken, the first one always.
        fps: How many are taken in a second, by their times; None leaves that to ``every``.
        most: How many at most, evenly spread over all that would be taken.
    """

    every: int = 1
    fps: float | None = None
    most: int | None = None


@dataclass(frozen=True)
class Clip(Reel):
    """Frames of a clip, named by their time in milliseconds after its first frame.

    Attributes:
        spans: Parts of which frames are taken.
        sampling: Which frames of each.
    """

    spans: tuple[Span, ...] = (Span(),)
    sampling: Sampling = Sampling()

    def owners(self, name: str) -> tuple[str | None, ...]:
        """Give the keys of the parts that a frame's time lies in."""
        time = int(name.partition(".")[0])
        return tuple(span.key for span in self.spans if span.holds(time))

    def pictures(self, path: Path) -> Iterator[tuple[str, bytes | Reject]]:
        """Make a picture of each frame that is taken, and say what is wrong with the clip or its parts.

        Raises:
            OSError: The file can't be opened.
        """
        kept = self._spread(path) if self.sampling.most else None
        choice, last, taken = _Choice(self.spans, self.sampling), None, 0
        fault: ClipFault | None = None
        try:
            for time, frame in read_frames(path):
                last = time
                if any(kept is None or place in kept[number] for number, place in choice.take(time)):
                    taken += 1
                    yield f"{time:08d}.png", plain_png(upright_pixels(frame))
                if choice.ended(time):
                    break
        except ClipFault as found:
            fault = found
        if fault is not None:
            before = f"; its frames before that are taken, {taken}" if taken else ""
            yield "", Reject(self.file, fault.reason, f"{fault}{before}")
        for span, number in zip(self.spans, choice.taken, strict=True):
            if not number and fault is None:
                end = "" if last is None else f"; the last one is at {last / 1000:g} s"
                id_ = self.file if span.key is None else f"{self.file}#{span.key}"
                yield "", Reject(id_, Reason.BAD_ROW, f"no frame lies in this part of the clip{end}")

    def _spread(self, path: Path) -> list[set[int]]:
        """Choose, for each part, the positions of the frames that stay of all that would be taken, evenly spread."""
        choice = _Choice(self.spans, self.sampling)
        with suppress(ClipFault):
            for time, _ in read_frames(path):
                choice.take(time)
                if choice.ended(time):
                    break
        most = self.sampling.most or 0
        return [
            set(range(number)) if number <= most else {(2 * place + 1) * number // (2 * most) for place in range(most)}
            for number in choice.taken
        ]


@dataclass(frozen=True)
class NumberedFrames(Inside):
    """Frames of a clip that are known by their numbers.

    Attributes:
        numbers: Numbers of the frames, counted from 1.
    """

    numbers: tuple[int, ...]

    @staticmethod
    def name(number: int) -> str:
        """Name a frame."""
        return f"{number:05d}.png"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the frames."""
        return tuple(map(self.name, self.numbers))

    def pictures(self, path: Path) -> Iterator[tuple[str, bytes | Reject]]:
        """Make a picture of each frame; those that the clip lacks are told one by one.

        Raises:
            OSError: The file can't be opened.
        """
        left, number, fault = {*self.numbers}, 0, ClipFault(Reason.MISSING_FILE, "the clip ends before it")
        try:
            for number, (_, frame) in enumerate(read_frames(path), 1):
                if number in left:
                    left.remove(number)
                    yield self.name(number), plain_png(upright_pixels(frame))
                if not left:
                    return
        except ClipFault as found:
            fault = found
        for lost in sorted(left):
            yield (
                self.name(lost),
                Reject(f"{self.file}/{self.name(lost)}", fault.reason, f"{fault}; it has {number} frames"),
            )


class _Choice:
    """Chooses frames one by one, in the order of their times."""

    def __init__(self, spans: tuple[Span, ...], sampling: Sampling) -> None:
        self._spans, self._sampling = spans, sampling
        self._next = [0] * len(spans)  # frame, or slot of time, from which on the next one is taken
        self._seen = [0] * len(spans)
        self.taken = [0] * len(spans)

    def take(self, time: int) -> list[tuple[int, int]]:
        """List the parts that take a frame, each with the frame's position among those that it took."""
        found = []
        for number, span in enumerate(self._spans):
            if not span.holds(time):
                continue
            place, step = self._seen[number], self._sampling.every
            self._seen[number] += 1
            if self._sampling.fps is not None:  # half a millisecond: times were rounded
                place, step = math.floor((time - span.start + 0.5) * self._sampling.fps / 1000), 1
            if place >= self._next[number]:
                self._next[number] = place + step
                found.append((number, self.taken[number]))
                self.taken[number] += 1
        return found

    def ended(self, time: int) -> bool:
        """Tell whether all parts end before the next frame."""
        return all(span.end is not None and time >= span.end - 1 for span in self._spans)


class ClipFault(Exception):  # noqa: N818 (what happened to the clip, not a fault of the program)
    """A clip can't be read, or not to its end.

    Attributes:
        reason: Reason, from the fixed enumeration.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def read_frames(path: Path) -> Iterator[tuple[int, VideoFrame]]:
    """Decode a clip from its begin: the time of each frame in milliseconds after the first one, and the frame.

    Times are those of the frames, whatever their rate. They always grow: a frame without a time of its own, or with an
    earlier one, comes a millisecond or a usual interval after the one before it.

    Raises:
        OSError: The file can't be opened.
        ClipFault: It is no clip, is damaged, or ends early; what was given before stands.
    """
    import av

    with os.fdopen(open_regular(path, CLIPS), "rb") as file:
        try:
            with av.open(file, "r", options={"format_whitelist": _FORMATS}, buffer_size=_BUFFER) as container:
                yield from _decode(container)
        except (av.FFmpegError, UnicodeDecodeError) as error:
            empty = not os.fstat(file.fileno()).st_size
            raise ClipFault(
                Reason.NOT_AN_IMAGE, "the file is empty" if empty else "no clip that FFmpeg reads"
            ) from error


def _decode(container: InputContainer) -> Iterator[tuple[int, VideoFrame]]:
    stream = _find_stream(container)
    decoder = stream.codec_context
    decoder.thread_count, decoder.options = 1, _STRICT
    clock = _Clock(stream)
    fault: ClipFault | None = None
    for packet in container.demux(stream):
        frames = _decode_packet(stream, packet)
        broken = frames is None or any(frame.is_corrupt for frame in frames)
        for frame in frames or ():
            if frame.is_corrupt:
                break
            yield clock.read(frame), frame
        if broken:
            reason = Reason.TRUNCATED if packet.is_corrupt else Reason.UNREADABLE
            what = "cut short" if packet.is_corrupt else "damaged"
            # Frames that still wait for their turn are left: some decoders give the damaged one, too.
            fault = ClipFault(reason, f"{what} after {clock.text}")
            break
    if fault is None and clock.time is None:
        fault = ClipFault(Reason.NOT_AN_IMAGE, "the clip has no frame")
    if fault is None and (length := _length(container, stream)) and clock.seconds + clock.interval + _LACKING < length:
        fault = ClipFault(Reason.TRUNCATED, f"ends after {clock.text}, and its header says {length:.2f} s")
    if fault is not None:
        raise fault


def _find_stream(container: InputContainer) -> VideoStream:
    """Find the first stream of frames that is no picture of a cover.

    Raises:
        ClipFault: There is none, or its frames are too large, or of a codec that nothing decodes.
    """
    from av.stream import Disposition

    streams = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
    if not streams:
        raise ClipFault(Reason.NOT_AN_IMAGE, "it has no video stream")
    stream = streams[0]
    if stream.codec_context is None:
        raise ClipFault(Reason.UNSUPPORTED_FORMAT, "its codec is not known")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS:
        raise ClipFault(Reason.TOO_LARGE, f"frames of {width}x{height} pixels; at most {MAX_PIXELS} are read")
    return stream


def _decode_packet(stream: VideoStream, packet: Packet[VideoStream]) -> list[VideoFrame] | None:
    """Decode a packet; None where the decoder refuses."""
    import av

    try:
        return list(stream.codec_context.decode(packet))
    except av.FFmpegError:
        return None


def _length(container: InputContainer, stream: VideoStream) -> float | None:
    """Give the length in seconds that a header tells where the end of a file that was cut short passes unnoticed."""
    name = container.format.name
    if name == "avi" and stream.frames and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    if "matroska" in name and len(container.streams) == 1 and container.duration:
        return container.duration / 1_000_000
    return None


class _Clock:
    """Reads the times of frames, in milliseconds after the first one."""

    def __init__(self, stream: VideoStream) -> None:
        rate = stream.average_rate or stream.guessed_rate or Fraction(_USUAL_RATE)
        self._unit = stream.time_base
        self._first: int | None = None
        self.interval = 1 / float(rate)
        self.time: int | None = None

    @property
    def seconds(self) -> float:
        """Time of the last frame in seconds."""
        return (self.time or 0) / 1000

    @property
    def text(self) -> str:
        """Where the frames end, in words."""
        return "its begin" if self.time is None else f"{self.seconds:.2f} s"

    def read(self, frame: VideoFrame) -> int:
        """Give the time of the next frame."""
        unit = frame.time_base or self._unit
        if frame.pts is None or unit is None:
            time = 0 if self.time is None else self.time + round(1000 * self.interval)
        else:
            self._first = frame.pts if self._first is None else self._first
            time = round((frame.pts - self._first) * unit * 1000)
        self.time = time if self.time is None else max(time, self.time + 1)
        return self.time


def upright_pixels(frame: VideoFrame) -> NDArray[np.uint8]:
    """Bring a frame to (H, W, 3) uint8 RGB, upright: a turned or mirrored camera is told beside the frame.

    Pixels are taken as squares.
    """
    from av.sidedata.sidedata import Type
    from av.video.reformatter import Interpolation

    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
    pixels = np.asarray(frame.reformat(format="rgb24", interpolation=int(exact), threads=1).to_ndarray(), np.uint8)
    beside: Any = frame.side_data  # typed otherwise than it is
    found = bytes(beside.get(Type.DISPLAYMATRIX, b""))
    if len(found) != _MATRIX * np.dtype(np.int32).itemsize:
        return pixels
    (xx, xy, _), (yx, yy, _), _ = np.frombuffer(found, np.int32).astype(np.int64).reshape(3, 3).tolist()
    if abs(xx) + abs(yy) < abs(xy) + abs(yx):  # the picture's x becomes y, by a quarter of a turn
        pixels, xx, yy = pixels.transpose(1, 0, 2), yx, xy
    return np.ascontiguousarray(pixels[:: -1 if yy < 0 else 1, :: -1 if xx < 0 else 1])

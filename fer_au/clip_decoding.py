"""The one decoder of clips: upright frames and their times out, and a named reason where they end early.

FFmpeg's decoder runs alone in its thread and conceals nothing: what comes after a fault is not taken. Colours are
computed without the processor's shortcuts, so that equal frames give equal bytes everywhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_au.decoding import MAX_PIXELS
from fer_au.gate import CLIPS, open_regular
from fer_au.rejects import Reason

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer
    from av.stream import Stream

# Containers that hold frames themselves: playlists and scripts name other files, and would have them opened.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,asf,flv,ogg,mxf,dv"
_STRICT = {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)}
_BUFFER = 1 << 20  # bytes that the decoder asks for at a time
_USUAL_RATE = 25  # frames per second, of a clip that tells neither its rate nor its times
_LACKING = 0.5  # seconds: a clip that ends earlier than its header says was cut short
_MATRIX = 9  # numbers of a display matrix, by rows, of which the first two of two rows turn and mirror


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
    with os.fdopen(open_regular(path, CLIPS), "rb") as file, open_clip(file) as container:
        stream = find_stream(container)
        clock = _Clock(stream)
        try:
            for frame in decode(container, stream):
                yield clock.read(frame), frame
        except ClipFault as fault:
            raise ClipFault(fault.reason, f"{fault} after {clock.text}") from fault
        check_end(container, stream, clock.end, clock.text)


@contextmanager
def open_clip(file: IO[bytes]) -> Iterator[InputContainer]:
    """Open a clip for ``find_stream`` and ``decode``.

    Args:
        file: Bytes of the clip; one that can't be rewound, such as a pipe, is read from its begin to its end.

    Raises:
        ClipFault: It is no clip; also where FFmpeg fails in the block.
    """
    import av

    try:
        with av.open(file, "r", options={"format_whitelist": _FORMATS}, buffer_size=_BUFFER) as container:
            yield container
    except (av.FFmpegError, UnicodeDecodeError) as error:
        found = os.fstat(file.fileno())
        empty = stat.S_ISREG(found.st_mode) and not found.st_size
        detail = "the file is empty" if empty else "no clip that FFmpeg reads"
        raise ClipFault(Reason.NOT_AN_IMAGE, detail) from error


def find_stream(container: InputContainer) -> VideoStream:
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


def decode(
    container: InputContainer,
    stream: VideoStream,
    beside: Sequence[Stream] = (),
    take: Callable[[Packet[Stream]], None] = lambda _: None,
) -> Iterator[VideoFrame]:
    """Decode the frames of a stream, in the order in which they are shown, until its end or its first fault.

    Args:
        container: Open clip.
        stream: Its stream of frames.
        beside: Other streams, whose packets are read on the way.
        take: What is done with each of these packets; it raises nothing.

    Raises:
        ClipFault: The clip is damaged or cut short; it says so in two words, ``damaged`` or ``cut short``.
    """
    decoder = stream.codec_context
    decoder.thread_count, decoder.options = 1, _STRICT
    for packet in container.demux(stream, *beside):
        if packet.stream.index != stream.index:
            take(packet)
            continue
        frames = _decode_packet(stream, packet)
        broken = frames is None or any(frame.is_corrupt for frame in frames)
        for frame in frames or ():
            if frame.is_corrupt:
                break
            yield frame
        if broken:
            # Frames that still wait for their turn are left: some decoders give the damaged one, too.
            if packet.is_corrupt:
                raise ClipFault(Reason.TRUNCATED, "cut short")
            raise ClipFault(Reason.UNREADABLE, "damaged")


def _decode_packet(stream: VideoStream, packet: Packet[Any]) -> list[VideoFrame] | None:
    """Decode a packet; None where the decoder refuses."""
    import av

    try:
        return list(stream.codec_context.decode(packet))
    except av.FFmpegError:
        return None


def check_end(
    container: InputContainer, stream: VideoStream, end: float | None, text: str, beside: Sequence[float] = ()
) -> None:
    """Make sure that a clip that was decoded without a fault has frames, and ends where its header says.

    Args:
        container: Open clip.
        stream: Its stream of frames.
        end: Where the last frame ends, in seconds after the first one's begin; None if there was no frame.
        text: Where that is, in words.
        beside: Where the other streams that were read end.

    Raises:
        ClipFault: It has none, or was cut short unnoticed.
    """
    if end is None:
        raise ClipFault(Reason.NOT_AN_IMAGE, "the clip has no frame")
    length = _length(container, stream, 1 + len(beside))
    if length and max(end, *beside, 0) + _LACKING < length:
        raise ClipFault(Reason.TRUNCATED, f"ends after {text}, and its header says {length:.2f} s")


def _length(container: InputContainer, stream: VideoStream, read: int) -> float | None:
    """Give the length in seconds that a header tells where the end of a file that was cut short passes unnoticed.

    Args:
        container: Open clip.
        stream: Its stream of frames.
        read: Number of streams that were read; the length is that of the longest of all.
    """
    name = container.format.name
    if name == "avi" and stream.frames and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    if "matroska" in name and len(container.streams) == read and container.duration:
        return container.duration / 1_000_000
    return None


def usual_interval(stream: VideoStream) -> Fraction:
    """Give the usual time between two frames, in seconds."""
    return 1 / (stream.average_rate or stream.guessed_rate or Fraction(_USUAL_RATE))


class _Clock:
    """Reads the times of frames, in milliseconds after the first one."""

    def __init__(self, stream: VideoStream) -> None:
        self._unit = stream.time_base
        self._first: int | None = None
        self._interval = float(usual_interval(stream))
        self.time: int | None = None

    @property
    def end(self) -> float | None:
        """Where the last frame ends, in seconds; None if there was none."""
        return None if self.time is None else self.time / 1000 + self._interval

    @property
    def text(self) -> str:
        """Where the frames end, in words."""
        return "its begin" if self.time is None else f"{self.time / 1000:.2f} s"

    def read(self, frame: VideoFrame) -> int:
        """Give the time of the next frame."""
        unit = frame.time_base or self._unit
        if frame.pts is None or unit is None:
            time = 0 if self.time is None else self.time + round(1000 * self._interval)
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

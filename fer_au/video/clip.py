"""Frames of a clip, a file's or a pipe's: their times only grow, and a fault ends them, not the command."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from fer_au.clip_decoding import ClipFault, check_end, decode, find_stream, upright_pixels, usual_interval
from fer_au.datasets.inspection import MIN_SIDE
from fer_au.rejects import Reason
from fer_au.video.footage import Footage, Frame

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer

_MAX_RATE = 480  # frames per second; a higher one, as of some screen recordings, counts ticks and not frames


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

"""Write a video: frames with their own times, H.264 where PyAV has it, and packets of sound as they came."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.atomic import AtomicFile
from fer_au.errors import StoreError
from fer_au.video.footage import Footage, Frame

if TYPE_CHECKING:
    from av import Packet, VideoStream
    from av.container import OutputContainer
    from av.stream import Stream

SUFFIXES = (".mp4", ".mov", ".mkv")
_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}

_H264 = {"libx264": {"preset": "veryfast", "crf": "20"}, "libopenh264": {}}
"""Encoders of H.264 that are asked for, with their options."""
_FALLBACK = "mpeg4"
_BITS = 0.2  # per pixel, of an encoder that takes no quality
_MOST_TICKS = 65_535  # in a second, of MPEG-4's times
_HD = 720  # lines from which on players take colours for those of HDTV (ITU-R BT.709) and not of BT.601


class _Rewritable:
    """A new file as FFmpeg writes it, going back to complete headers."""

    def __init__(self, file: AtomicFile) -> None:
        self._file, self._place, self._end = file, 0, 0
        self.refused: StoreError | None = None  # FFmpeg tells of it in words of its own

    @property
    def stream(self) -> IO[bytes]:
        """The file, by the name of its type; PyAV calls no other method of a file that is only written."""
        return cast("IO[bytes]", self)

    def write(self, data: bytes) -> int:
        """Write bytes."""
        try:
            self._file.write(self._place, data)
        except StoreError as error:
            self.refused = error
            raise
        self._place += len(data)
        self._end = max(self._end, self._place)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._end}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        """Say where the next byte goes."""
        return self._place


class VideoWriter:
    """Writes frames as they are shown; made by ``open_video``.

    Args:
        container: Open file.
        footage: Where frames, times and sound come from.
        shape: Height and width of the frames.

    Attributes:
        notes: What people should know of the file, in lines.
    """

    def __init__(self, container: OutputContainer, footage: Footage, shape: tuple[int, int]) -> None:
        self._container, self._footage, self._shape = container, footage, shape
        self.notes: list[str] = []
        self._add_frames()
        self._sounds = dict(self._add_sounds())

    def _add_frames(self) -> None:
        from av.codec import codecs_available
        from av.video.reformatter import Colorspace

        height, width = self._shape
        name = next((one for one in _H264 if one in codecs_available), _FALLBACK)
        unit = self._footage.unit
        if name == _FALLBACK:
            self.notes.append("this PyAV has no encoder of H.264: the video is MPEG-4 part 2 (mpeg4)")
            unit = unit if unit.denominator <= _MOST_TICKS else Fraction(1, 60_000)
        self._unit = unit
        added = self._container.add_stream(name, rate=self._footage.rate, options=dict(_H264.get(name, {})))
        self._stream = stream = cast("VideoStream", added)
        stream.width, stream.height = width + width % 2, height + height % 2
        if (stream.width, stream.height) != (width, height):
            size = f"{stream.width}x{stream.height}"
            self.notes.append(f"frames of {width}x{height} are padded to {size}: the codec takes even sides")
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = stream.time_base = unit
        context.sample_aspect_ratio = self._footage.aspect
        if name != "libx264":
            context.bit_rate = round(_BITS * width * height * float(self._footage.rate))
        self._colours = Colorspace.ITU709 if height >= _HD else Colorspace.ITU601
        context.colorspace = context.color_primaries = context.color_trc = 1 if height >= _HD else 6

    def _add_sounds(self) -> Iterator[tuple[int, Stream]]:
        for sound in self._footage.sounds:
            codec = sound.codec_context.name
            if codec in self._container.supported_codecs:
                yield sound.index, self._container.add_stream_from_template(sound)
            else:
                self.notes.append(f"its sound ({codec}) has no place in {self._container.format.name}: take .mkv")

    def write(self, frame: Frame, image: NDArray[np.uint8]) -> None:
        """Write a frame, and the sound that was read before it.

        Args:
            frame: The frame, for its time.
            image: (H, W, 3) uint8 RGB to show.

        Raises:
            StoreError: The encoder or the disk refuses.
        """
        from av import VideoFrame

        height, width = self._shape
        if width % 2 or height % 2:
            image = np.asarray(cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), np.uint8)
        shown = VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p", dst_colorspace=self._colours)
        shown.pts, shown.time_base = round(frame.pts * self._footage.unit / self._unit), self._unit
        self._container.mux(self._stream.encode(shown))
        self.copy_sound()

    def copy_sound(self) -> None:
        """Copy the packets of sound that were read."""
        packets = self._footage.packets
        while packets:
            packet: Packet[Any] = packets.popleft()
            if packet.dts is not None and (stream := self._sounds.get(packet.stream.index)) is not None:
                packet.stream = stream
                self._container.mux(packet)

    def end(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))
        self.copy_sound()


@contextmanager
def open_video(path: Path, footage: Footage, shape: tuple[int, int]) -> Iterator[VideoWriter]:
    """Open a new video, which takes its name when the block ends without an error.

    Args:
        path: Its name, with one of ``SUFFIXES``.
        footage: Where frames, times and sound come from.
        shape: Height and width of the frames.

    Raises:
        StoreError: The encoder or the disk refuses; also from the block.
    """
    import av

    with AtomicFile(path) as file:
        target = _Rewritable(file)
        try:
            container = av.open(target.stream, "w", format=_FORMATS[path.suffix])
            try:
                writer = VideoWriter(container, footage, shape)
                yield writer
                writer.end()
            finally:
                container.close()
        except av.FFmpegError as error:
            raise target.refused or StoreError(f"{path}: cannot write: {error.strerror or error}") from error

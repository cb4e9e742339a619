"""Tiny clips of any kind: bright faces on a dark ground are squares here, which ``find_squares`` finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from fer_au.faces import AlignedFace
from fer_au.faces.geometry import box_to_box
from fer_au.faces.warp import warp_crop
from fer_au.stores.schemas import FaceStatus

SIZE = (160, 96)
STEP = 40  # milliseconds
FACE = 32  # side of a face, pixels
Boxes = Sequence[tuple[int, int]]


def draw(boxes: Boxes, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A dark picture with a bright square, lined inside, at each of some corners."""
    picture = np.full((size[1], size[0], 3), (20, 30, 40), np.uint8)
    lines = np.where(np.arange(FACE) % 8 < 4, 255, 215).astype(np.uint8)[:, None, None]
    for x, y in boxes:
        part = picture[y : y + FACE, x : x + FACE]
        part[:] = lines[: part.shape[0]]
    return picture


def find_squares(self: Any, image: np.ndarray) -> list[AlignedFace]:
    """Stand in for ``Aligner.all``: the bright squares, the largest and then the leftmost first."""
    bright = (image.min(axis=2) > 150).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(bright)
    found = []
    for x, y, width, height, area in sorted(stats[1:].tolist(), key=lambda one: (-one[4], one[0])):
        if area >= 64:
            box = (float(x), float(y), float(x + width), float(y + height))
            matrix = box_to_box(box, self.target.face_box(self.size))
            crop = warp_crop(image, matrix, self.size)
            found.append(AlignedFace(crop, None, matrix, box, 0.5, "squares", FaceStatus.OK, ""))
    return found


def write_clip(
    path: Path,
    frames: Sequence[Boxes] = (((20, 30),),) * 6,
    times: Sequence[int] | None = None,
    *,
    size: tuple[int, int] = SIZE,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    sound: str | None = None,
    form: str | None = None,
    unit: Fraction = Fraction(1, 1000),
    **options: str,
) -> Path:
    """Write a clip of squares.

    Args:
        path: The file.
        frames: Corners of the squares of each frame.
        times: Time of each frame in milliseconds; default ``STEP`` apart.
        size: Width and height.
        codec: Encoder.
        pix_fmt: Format of its pixels.
        sound: Encoder of a tone; None for none.
        form: Format of the file; default that of its suffix.
        unit: Unit of the times.
        options: Options of the encoder.
    """
    with av.open(str(path), "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=1000 // STEP, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.time_base, stream.codec_context.thread_count = unit, 1
        tone: Any = container.add_stream(sound, rate=48_000) if sound else None
        if sound:
            tone.layout = "mono"
        for number, boxes in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(draw(boxes, size), "rgb24")
            time = number * STEP if times is None else times[number]
            frame.pts, frame.time_base = round(Fraction(time, 1000) / unit), unit
            container.mux(stream.encode(frame))
        if sound:
            for packet in _tone(tone, len(frames) * STEP / 1000):
                container.mux(packet)
        container.mux(stream.encode())
    return path


def _tone(stream: Any, seconds: float) -> Iterator[Any]:
    kind = stream.codec_context.format.name
    values = np.sin(2 * np.pi * 440 * np.arange(round(48_000 * seconds)) / 48_000) * 0.2
    samples: Any = (values * 32_767).astype(np.int16) if kind.startswith("s16") else values.astype(np.float32)
    size = stream.codec_context.frame_size or 1024
    for start in range(0, len(samples), size):
        piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None, start : start + size]), kind, "mono")
        piece.pts, piece.sample_rate = start, 48_000
        yield from stream.encode(piece)
    yield from stream.encode()


def read_clip(path: Path) -> list[tuple[float, np.ndarray]]:
    """Time in seconds and RGB of each frame."""
    with av.open(str(path)) as container:
        return [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24"))  # type: ignore[operator]
            for frame in container.decode(video=0)
        ]


def sounds_of(path: Path) -> list[bytes]:
    """The packets of sound."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]

"""Clips in class folders, and a table that names them, with persons, splits and parts; noise that moves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

SIZE = (48, 32)
FRAMES = 12
STEP = 40  # milliseconds
LABELS = ("happy", "sad", "angry")


def write_clip(
    path: Path,
    times: Sequence[int] = tuple(range(0, FRAMES * STEP, STEP)),
    *,
    codec: str = "libx264",
    size: tuple[int, int] = SIZE,
    seed: str | None = None,
) -> Path:
    """Write a clip whose frames are noise, lighter from one to the next, with a white corner at the left above.

    Args:
        path: The file, whose format is that of its suffix.
        times: Time of each frame in milliseconds.
        codec: Encoder.
        size: Width and height.
        seed: What the noise depends on; name of the file and its folder, if None, so that every run writes the same.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256((seed or "/".join(path.parts[-2:])).encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    noise = np.asarray(Image.fromarray(random.integers(0, 160, (6, 6, 3), dtype=np.uint8)).resize(size))
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=1000 // STEP)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.thread_count = 1
        for number, time in enumerate(times):
            pixels = noise + np.uint8(5 * number % 95)
            pixels[: size[1] // 3, : size[0] // 3] = 255
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn(path: Path, matrix: Sequence[int]) -> None:
    """Say in the header of an MP4 how the camera was held: four numbers of the display matrix."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    for offset, value in zip((0, 4, 12, 16), matrix, strict=True):
        data[place + offset : place + offset + 4] = (value << 16).to_bytes(4, "big", signed=True)
    path.write_bytes(data)


def write(root: Path) -> None:
    """Write three clips of each of three expressions, and a table that says of each half of a clip what it shows."""
    rows = ["clip,twin,label,mood,who,part,from,to"]
    for place, label in enumerate(LABELS):
        for number in range(3):
            name = f"{label}/{number}.mp4"
            write_clip(root / name)
            twin = f"{LABELS[place - 1]}/{number}"  # the suffix may be left out
            part = ("train", "valid", "test")[number]
            mood = ("fear", "disgust")[number % 2]
            rows.append(
                f"{name},{twin},{label},{mood},P{place}{number // 2},{part},0.0{number}0,{0.3 + 0.04 * number:.2f}"
            )
    (root / "clips.csv").write_text("\n".join(rows) + "\n")
    (root / ".DS_Store").write_bytes(b"")

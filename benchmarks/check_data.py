"""Measure the first look at a large folder of pictures: ``fer-au check-data`` beside a plain walk over the same files.

    python -m benchmarks.check_data
    python -m benchmarks.check_data --files 30000

Grey PNG files of 16 pixels, of noise, so that no two have the same bytes, in class folders below ``train`` and
``test``: what takes time is their number, as in sets that don't fit into memory. The walk asks each file for its size
and its times, as any listing does, once before the first look, which leaves the folders in the system's memory for all,
and once after it. Wall time is from the start of Python to its end; the memory is that of the largest process.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from fer_au.machine import cpu_name

_SIDE = 16
_CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
_TEST = 5  # each how many pictures one is of test
_RANDOM = 4096  # pictures drawn at a time
_ADOPT = 36  # PR_SET_CHILD_SUBREAPER of Linux


@dataclass(frozen=True)
class Used:
    """What a command took: wall and processor time in seconds, and the memory of its largest process in GB."""

    wall: float
    processors: float
    memory: float


def main() -> None:
    """Write a set, walk over it, and look at it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=300_000)
    parser.add_argument("--full", action="store_true", help="open all pictures, as ingest does")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "opencv-python", "Pillow"))
    settings = {name: os.environ.get(name, "unset") for name in ("FER_AU_WORKERS", "OMP_NUM_THREADS")}
    print(f"{platform.node()}: {cpu_name()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, {versions}, {settings}")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name, "set")
        began = time.perf_counter()
        size = write_set(root, options.files)
        wrote = time.perf_counter() - began
        print(f"wrote {options.files:,} files of {size / 1e6:.0f} MB in {wrote:.0f} s")
        walks = [walk(root)]
        command = [sys.executable, "-m", "fer_au", "check-data", str(root), *(["--full"] if options.full else [])]
        used = measure(command)
        walks.append(walk(root))
        print("walk and stat: " + ", ".join(f"{seconds:.2f} s ({cpu:.2f} s of processors)" for seconds, cpu in walks))
        print(f"check-data: {used.wall:.1f} s, {used.processors:.1f} s of processors, peak memory {used.memory:.2f} GB")
        seconds, cpu = (min(times) for times in zip(*walks, strict=True))
        print(f"times the walk: {used.wall / seconds:.0f} of wall time, {used.processors / cpu:.0f} of processor time")


def write_set(root: Path, files: int) -> int:
    """Write the pictures.

    Args:
        root: Folder that is made.
        files: Number of the pictures.

    Returns:
        Bytes of all.
    """
    random, size = np.random.default_rng(0), 0
    folders = [root / split / label for split in ("train", "test") for label in _CLASSES]
    for folder in folders:
        folder.mkdir(parents=True)
    for start in range(0, files, _RANDOM):
        for number, levels in enumerate(random.integers(0, 256, (min(_RANDOM, files - start), _SIDE, _SIDE)), start):
            folder = folders[number % len(_CLASSES) + len(_CLASSES) * (number % _TEST == 0)]
            data = png(levels.tolist())
            (folder / f"{number:06d}.png").write_bytes(data)
            size += len(data)
    return size


def png(levels: Sequence[Sequence[int]]) -> bytes:
    """Write grey levels as a PNG."""
    lines = b"".join(b"\0" + bytes(line) for line in levels)
    header = struct.pack(">IIBBBBB", len(levels[0]), len(levels), 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 0)), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def measure(command: Sequence[str]) -> Used:
    """Run a command to its end, and to the end of all processes that it has started.

    Workers are children of a process that outlives the command: they are adopted here, and so counted.

    Raises:
        SystemExit: It ended with an error.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_ADOPT, 1, 0, 0, 0)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - began
    with suppress(ChildProcessError):
        while True:
            os.wait()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr or done.stdout}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Used(wall, processors, after.ru_maxrss / 1e6)


def walk(root: Path) -> tuple[float, float]:
    """Walk over all files and ask each for its state: wall time, and processor time, in seconds."""
    began, used = time.perf_counter(), time.process_time()
    for above, _, names in os.walk(root):
        for name in names:
            os.stat(os.path.join(above, name))  # noqa: PTH116, PTH118 (the plainest way, to compare with)
    return time.perf_counter() - began, time.process_time() - used


if __name__ == "__main__":
    main()

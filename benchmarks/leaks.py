"""Measure the search for photographs that a data set holds twice, on made-up pictures: time of each step, and memory.

    python -m benchmarks.leaks
    python -m benchmarks.leaks --pictures 50000

Looks (``fer_au/datasets/looks.py``) are drawn with the spread that photographs have, a part of all faces is shared, as
in aligned sets, and a share of the pictures are copies with noise. What looks alike is decoded and compared: JPEG files
of 224 pixels, as many pairs as were found up to a thousand. The first figure is what ``ingest`` pays for each picture.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.datasets.looks import SIDE, describe_look, find_alike
from fer_au.datasets.photographs import find_photographs
from fer_au.machine import cpu_name, instruction_set

_FILES = 1000
_PIXELS = 224


def main() -> None:
    """Draw looks, find the pairs, compare them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=300_000)
    parser.add_argument("--copies", type=float, default=0.03, help="share of pictures that are copies")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "opencv-python"))
    settings = {name: os.environ.get(name, "unset") for name in ("FER_AU_WORKERS", "OMP_NUM_THREADS")}
    print(f"{cpu_name()}, {instruction_set()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, {versions}, {settings}")
    random = np.random.default_rng(0)
    image = draw(random)
    began = time.perf_counter()
    for _ in range(200):
        describe_look(image)
    print(f"describe a picture of {_PIXELS} pixels: {(time.perf_counter() - began) / 200 * 1e3:.2f} ms")
    looks = draw_looks(random, options.pictures, round(options.pictures * options.copies))
    before = peak()
    began, used = time.perf_counter(), time.process_time()
    pairs, left = find_alike(looks)
    seconds, used = time.perf_counter() - began, time.process_time() - used
    print(
        f"find pairs among {len(looks):,}: {seconds:.0f} s ({used:.0f} s of processors), {len(pairs):,} pairs, "
        f"{left:,} beyond the limit; "
        f"peak memory {peak():.2f} GB, {before:.2f} GB before"
    )
    compare(random, min(len(pairs), _FILES))


def draw(random: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a picture: noise of a few scales."""
    layers = [cv2.resize(random.normal(0, 40, (cells, cells, 3)), (_PIXELS, _PIXELS)) for cells in (4, 16, 64)]
    return np.asarray(np.clip(128 + np.sum(layers, axis=0), 0, 255), np.uint8)


def draw_looks(random: np.random.Generator, count: int, copies: int) -> list[bytes]:
    """Draw descriptions, of which the last ones are copies of the first ones, with noise."""
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    spread = 400 / np.hypot(across, down).ravel()[1:]
    values = random.standard_normal((count, len(spread)), np.float32) * spread.astype(np.float32)
    values += random.standard_normal(len(spread)).astype(np.float32) * spread.astype(np.float32)
    values[count - copies :] = values[:copies] + random.normal(0, 10, (copies, len(spread))).astype(np.float32)
    return [row.tobytes() for row in np.rint(values).astype(np.int16)]


def compare(random: np.random.Generator, pairs: int) -> None:
    """Decode and compare as many pairs of pictures, each of two files of its own."""
    with tempfile.TemporaryDirectory() as folder:
        looks, files = {}, {}
        for number in range(pairs):
            image = draw(random)
            for quality in (95, 50):
                name = f"{number:06d}-{quality}"
                files[name] = Path(folder, f"{name}.jpg")
                cv2.imwrite(str(files[name]), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
                looks[name] = describe_look(image)
        began = time.perf_counter()
        found = find_photographs(looks, files.get, "comparing")
        seconds = time.perf_counter() - began
        each = seconds / max(pairs, 1) * 1e3
        number = len(found.groups)
        print(f"compare {pairs:,} pairs on pixels: {seconds:.1f} s, {each:.1f} ms a pair, {number:,} pictures found")


def peak() -> float:
    """Give the peak memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()

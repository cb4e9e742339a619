"""Measure small faces in large photographs: ``python -m benchmarks.large_pictures [--pictures N]``.

Rendered faces from 80 pixels up, as the detector draws its box, lie in pictures of 12 megapixels whose background is
busy. Detector ``dlib-hog`` stands beside plain dlib (``get_frontal_face_detector``) on the whole picture, in RGB as
most programs call it and in grey, without upsampling and (on the first picture) with it. Times are the processor's, of
one process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from fer_au.config.data import DemoConfig
from fer_au.decoding import decode_image
from fer_au.demo.generate import generate
from fer_au.faces.detectors import create_detector
from fer_au.faces.geometry import box_iou
from fer_au.faces.templates import HOG_BOX
from fer_au.ibug68 import inter_ocular_distance
from fer_au.machine import cpu_name, instruction_set
from fer_au.stores.reader import Store

WIDTH, HEIGHT = 4000, 3000
SIDES = (80, 100, 128, 160, 200, 256, 320, 640)
_SAME = 0.3  # overlap from which a found box is the face's
_GRAIN = 6.0

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]


def render_faces(people: int, folder: Path) -> list[tuple[Picture, NDArray[np.float32]]]:
    """Render faces of some people; return them with their 68 points."""
    generate(DemoConfig(identities=people, images=2), folder)
    truth = Store.open(folder / "truth.h5", "truth")
    return [
        (decode_image((folder / id_).read_bytes()), points)
        for id_, points in zip(truth.ids, truth["points"], strict=True)
    ]


def place_face(
    face: Picture, points: NDArray[np.float32], side: int, rng: np.random.Generator
) -> tuple[Picture, NDArray[np.float64]]:
    """Draw a large picture with one face whose box has a side of ``side`` pixels; return it with the box."""
    rough = rng.integers(0, 256, (HEIGHT // 100, WIDTH // 100, 3), np.uint8)
    fine = rng.normal(0, 25, (HEIGHT // 8, WIDTH // 8, 1)).astype(np.float32)
    canvas = cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    canvas += cv2.resize(fine, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)[..., None]
    canvas += rng.normal(0, _GRAIN, (HEIGHT, WIDTH, 1)).astype(np.float32)
    picture = np.clip(canvas, 0, 255).astype(np.uint8)
    scale = side / (float(inter_ocular_distance(points)) * (HOG_BOX[2] - HOG_BOX[0]))
    small = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    height, width = small.shape[:2]
    corner = rng.integers(0, (WIDTH - width, HEIGHT - height))
    picture[corner[1] : corner[1] + height, corner[0] : corner[0] + width] = small
    eyes = (points[36] + points[45]) / 2 * scale + corner
    unit = side / (HOG_BOX[2] - HOG_BOX[0])
    return picture, np.concatenate([eyes + unit * np.array(HOG_BOX[:2]), eyes + unit * np.array(HOG_BOX[2:])])


def ours(picture: Picture) -> list[Box]:
    """Find faces by ``dlib-hog``."""
    return [one.box for one in create_detector("dlib-hog").detect(picture)]


def plain(picture: Picture, upsample: int = 0) -> list[Box]:
    """Find faces by plain dlib in a picture (H, W, 3) or (H, W)."""
    found = dlib.get_frontal_face_detector()(picture, upsample)
    return [(box.left(), box.top(), box.right() + 1, box.bottom() + 1) for box in found]


def plain_grey(picture: Picture) -> list[Box]:
    """Find faces by plain dlib in the grey picture."""
    return plain(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8))


def plain_upsampled(picture: Picture) -> list[Box]:
    """Find faces by plain dlib in the picture at twice its size."""
    return plain(picture, 1)


def timed(find: Callable[[Picture], list[Box]], picture: Picture, box: NDArray[np.float64]) -> tuple[bool, int, float]:
    """Tell whether a detector finds the face, how many others it finds, and the seconds it takes."""
    start = time.process_time()
    found = find(picture)
    seconds = time.process_time() - start
    hits = sum(box_iou(one, box) > _SAME for one in found)
    return hits > 0, len(found) - hits, seconds


def main() -> None:
    """Print found faces, other boxes and times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=16, help="Pictures; a few seconds each.")
    count = parser.parse_args().pictures
    print(f"{cpu_name()}, {instruction_set()}, {os.cpu_count()} processors; {count} pictures of {WIDTH}x{HEIGHT}")
    rng = np.random.default_rng(0)
    ways = {"dlib-hog": ours, "plain dlib, RGB": plain, "plain dlib, grey": plain_grey}
    results: dict[str, list[tuple[int, bool, int, float]]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        faces = render_faces(max(count // 2, 2), Path(folder))
    for number in range(count):
        side = SIDES[number % len(SIDES)]
        picture, box = place_face(*faces[number % len(faces)], side, rng)
        if not number:
            seconds = timed(plain_upsampled, picture, box)[2]
            print(f"plain dlib, RGB, upsampled once: {seconds:.2f} s")
        for name, find in ways.items():
            results[name].append((side, *timed(find, picture, box)))
    base = statistics.fmean(seconds for *_, seconds in results["plain dlib, RGB"])
    for name, rows in results.items():
        mean, longest = statistics.fmean(row[3] for row in rows), max(row[3] for row in rows)
        missed = sorted(row[0] for row in rows if not row[1])
        print(
            f"{name:20} found {sum(row[1] for row in rows)} of {count} (missed sides: {missed or 'none'}), "
            f"{sum(row[2] for row in rows)} other boxes; {mean:.2f} s on average, {longest:.2f} s at most, "
            f"{mean / base:.2f} and {longest / base:.2f} times plain dlib's average in RGB"
        )


if __name__ == "__main__":
    main()

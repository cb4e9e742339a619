"""Measure the speed of ``align`` against the usual serial script: ``python -m benchmarks.align [FOLDER]``.

FOLDER holds photographs (searched recursively); without one, rendered demo pictures are taken, where every face is
found at once and the margin is smaller. The serial script is what most projects start with: ``cv2.imread``, dlib's
frontal detector at upsample 1, its 68-point predictor on the largest face, a warp of the five points to 256 px, and
``cv2.imwrite``. It runs over one half of the pictures before the stage and over the other half after it, so that a
neighbour on the machine who comes or goes meets both. The stage is the real one, with an empty cache of its own and
``FER_AU_WORKERS`` worker processes; then it runs once more in this process alone, where its processor time can be
told. On a machine that others use too, the ratio of processor times per picture says more than that of wall times.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_au.assets import DLIB68
from fer_au.compute import worker_count
from fer_au.config.data import AlignConfig
from fer_au.datasets.manifest import ManifestRow, write_manifest
from fer_au.decoding import ImageRejected, decode_image
from fer_au.faces import Aligner, align_dataset, encode_crop, get_template, warp_crop
from fer_au.faces.dlib_points import import_dlib, load_predictor
from fer_au.faces.geometry import fit_similarity
from fer_au.faces.keypoints import Keypoints, align_matrix
from fer_au.faces.templates import five_points
from fer_au.machine import cpu_name, instruction_set
from fer_au.stores import FaceStatus, Store

SIZE = 256
SPEED_LIMIT = 10.0
FACES_LIMIT = 1.05
BREAKDOWN = 300
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}

T = TypeVar("T")


@dataclass
class Cost:
    """Pictures, faces found, wall and processor seconds."""

    pictures: int = 0
    faces: int = 0
    wall: float = 0.0
    cpu: float = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Add the time of a block, processor time of this process only."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu

    def line(self, name: str, *, here: bool = True) -> str:
        """Write one line of the result, without processor time where other processes did the work."""
        text = (
            f"{name:<24}{self.pictures:>6} pictures{self.faces:>7} faces{self.wall:>8.1f} s"
            f"{self.pictures / self.wall:>8.1f} images/s"
        )
        return text + (f"{1000 * self.cpu / self.pictures:>8.2f} ms CPU each" if here else "")


def serial_script(paths: Sequence[Path], output: Path) -> int:
    """Run the script that most projects start with; return the number of faces."""
    detector, predictor = import_dlib().get_frontal_face_detector(), load_predictor(DLIB68)
    target = get_template("loose").five(SIZE)
    faces = 0
    for index, path in enumerate(paths):
        read = cv2.imread(str(path))
        if read is None:
            continue
        image = np.asarray(read, np.uint8)
        found = detector(image, 1)
        if not len(found):
            continue
        box = max(found, key=lambda one: one.area())
        points = np.array([(point.x, point.y) for point in predictor(image, box).parts()], np.float64)
        crop = cv2.warpAffine(image, fit_similarity(five_points(points), target), (SIZE, SIZE))
        cv2.imwrite(str(output / f"{index}.jpg"), crop)
        faces += 1
    return faces


def write_rows(paths: Sequence[Path], root: Path, dataset: Path) -> None:
    """Write the manifest of a flat set of pictures, whose labels play no part."""
    dataset.mkdir()
    rows = []
    for path in paths:
        name, digest = path.relative_to(root).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()
        with Image.open(path) as picture:
            width, height = picture.size
        rows.append(ManifestRow(name, name, digest, "train", None, "neutral", None, width, height, None))
    write_manifest(dataset / "manifest.csv", sorted(rows, key=lambda row: row.id))


def stage(dataset: Path, root: Path, config: AlignConfig) -> tuple[int, Counter[str]]:
    """Run align; return the number of faces, and of faces by pass."""
    align_dataset(config, dataset, root)
    store = Store.open(dataset / "faces.h5", "faces")
    found = store["status"] == FaceStatus.OK
    return int(found.sum()), Counter(why.decode() for why in store["why"][found].tolist())


def print_breakdown(paths: Sequence[Path], config: AlignConfig) -> None:
    """Print processor milliseconds per picture for each part of the work, in this process."""
    spent: dict[str, float] = defaultdict(float)
    aligner = Aligner(detector=config.detector, keypoints=config.keypoints)
    template = get_template("loose")

    def timed(part: str, work: Callable[[], T]) -> T:
        start = time.process_time()
        result = work()
        spent[part] += time.process_time() - start
        return result

    def one(path: Path) -> None:
        data = timed("read, sha256", lambda: _read(path))
        try:
            image = timed("decode", lambda: decode_image(data))
        except ImageRejected:
            return
        face = timed("detect", lambda: aligner.find(image))
        if face is None:
            return
        matrix = timed("fit points", lambda: align_matrix(image, face, config.keypoints, template, SIZE))
        crop: NDArray[np.uint8] = timed("warp", lambda: warp_crop(image, matrix, SIZE))
        timed("encode", lambda: encode_crop(crop))

    for path in paths[:5]:  # loads the models
        one(path)
    spent.clear()
    for path in paths:
        one(path)
    parts = ", ".join(f"{name} {1000 * seconds / len(paths):.2f}" for name, seconds in spent.items())
    print(f"ms CPU per picture by part ({len(paths)} pictures, one process): {parts}")
    print(f"together {1000 * sum(spent.values()) / len(paths):.2f}")


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    hashlib.sha256(data).digest()
    return data


def compare(paths: Sequence[Path], root: Path, scratch: Path, config: AlignConfig) -> None:
    """Run both and print the ratios beside their limits."""
    serial, ours, alone = Cost(), Cost(), Cost()
    crops = scratch / "crops"
    crops.mkdir()
    write_rows(paths, root, scratch / "data")
    serial_script(paths[:2], crops)  # loads the models, which is not counted here
    halves = paths[::2], paths[1::2]
    workers = worker_count()
    passes: Counter[str] = Counter()
    for index, half in enumerate(halves):
        with serial.measured():
            serial.faces += serial_script(half, crops)
        serial.pictures += len(half)
        if index == 0:
            with ours.measured():  # and the starts of its workers and their loading is counted here
                ours.faces, passes = stage(scratch / "data", root, config)
            ours.pictures = len(paths)
    cv2.setNumThreads(1)  # as in worker processes
    with one_worker(scratch / "cache-alone"), alone.measured():
        alone.faces, _ = stage(scratch / "data", root, config)
    alone.pictures = len(paths)
    print(serial.line("serial script"))
    print(ours.line(f"align, {workers} workers", here=workers == 1))
    print(alone.line("align, in this process"))
    print("faces by pass: " + ", ".join(f"{name} {count}" for name, count in passes.most_common()))
    verdict(f"x serial images/s with {workers} workers, wall", serial.wall / ours.wall, SPEED_LIMIT)
    ratio = serial.cpu / alone.cpu
    verdict(f"x serial images/s by processor time, {ratio:.2f} x {workers} workers", ratio * workers, SPEED_LIMIT)
    verdict("x serial faces", ours.faces / max(serial.faces, 1), FACES_LIMIT)


@contextmanager
def one_worker(cache: Path) -> Iterator[None]:
    """Work without worker processes and with an empty cache."""
    before = {name: os.environ.get(name) for name in ("FER_AU_WORKERS", "FER_AU_CACHE")}
    os.environ.update(FER_AU_WORKERS="1", FER_AU_CACHE=str(cache))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def verdict(name: str, figure: float, limit: float) -> None:
    """Print a figure beside its limit."""
    print(f"{name}: {figure:.2f}   (limit: >= {limit})   {'ok' if figure >= limit else 'MISSED'}")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description="Speed of align against the usual serial script.")
    parser.add_argument("folder", type=Path, nargs="?", help="photographs; default: rendered demo pictures")
    parser.add_argument("--limit", type=int, default=0, help="take this many pictures at most, evenly spread")
    parser.add_argument("--detectors", default="dlib-hog", help="as align.detector; several, comma-separated")
    parser.add_argument("--keypoints", choices=get_args(Keypoints), default="dlib68", help="as align.keypoints")
    arguments = parser.parse_args()
    detectors = tuple(arguments.detectors.split(","))
    config = AlignConfig(detector=detectors, keypoints=arguments.keypoints, max_reject_fraction=1.0)
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("numpy", "opencv-python", "dlib-bin", "Pillow", "fer-au")
    )
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"host: {cpu_name()}, {instruction_set()}, {cores} cores, load {load:.1f}; {platform.system()}")
    print(f"versions: Python {platform.python_version()}, {packages}")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        os.environ["FER_AU_CACHE"] = str(scratch / "cache")
        root = arguments.folder
        if root is None:
            from fer_au.config.data import DemoConfig
            from fer_au.demo.generate import generate  # workers would import it too

            root = scratch / "demo"
            generate(DemoConfig(identities=20, images=10, test_fraction=0.2), root)
        paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise SystemExit(f"{root}: no pictures")
        if arguments.limit:
            paths = paths[:: max(len(paths) // arguments.limit, 1)][: arguments.limit]
        compare(paths, root, scratch, config)
        print_breakdown(paths[:: max(len(paths) // BREAKDOWN, 1)][:BREAKDOWN], config)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

"""Measure speed and memory of the extraction engine: ``python -m benchmarks.extraction [PART ...]``.

Parts (default: all, about 12 minutes on two cores): ``landmarks`` the stage against the bare predictor loop; ``growth``
one per cent of new images, and a rerun with everything cached; ``rows`` 300,000 rows assembled, verified and loaded;
``memory`` 10,000 against 100,000 images; ``heatmaps`` maps per second. Every figure stands beside its limit. Baselines
run in the same process group, on as many processors as the stage has workers.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from fer_au.assets import DLIB68
from fer_au.compute import worker_count
from fer_au.config.data import AlignConfig, DemoConfig, HeatmapsConfig
from fer_au.cues.stage import render_dataset
from fer_au.datasets.manifest import ManifestRow, write_manifest
from fer_au.decoding import decode_image
from fer_au.demo.generate import generate
from fer_au.faces.alignment import Aligner
from fer_au.faces.crops import decode_crop_bytes, encode_crop
from fer_au.faces.dlib_points import predict_points
from fer_au.faces.operation import AlignOperation
from fer_au.faces.templates import TEMPLATES
from fer_au.landmarks.operation import FIELDS
from fer_au.machine import cpu_name
from fer_au.shards.assemble import CachedRows, assemble_store
from fer_au.shards.compute import compute_rows
from fer_au.stores.columns import Array, encode_ids, pack_ragged
from fer_au.stores.reader import Store
from fer_au.stores.verify import verify_store
from fer_au.stores.writer import write_store

CROP = 256
LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


def say(name: str, figure: str, limit: str) -> None:
    """Print one line of the result."""
    print(f"{name:58} {figure:>26}   (limit: {limit})", flush=True)


def demo_crops(folder: Path) -> list[bytes]:
    """Make 140 aligned crops of rendered people, encoded as faces.h5 holds them."""
    generate(DemoConfig(identities=7, images=20, seed=3), folder)
    aligner = Aligner()
    return [encode_crop(aligner(decode_image(p.read_bytes())).crop) for p in sorted(folder.rglob("*.jpg"))]


def write_faces(folder: Path, crops: Sequence[bytes], count: int) -> None:
    """Write a faces.h5 of ``count`` different crops: the same pictures, each with a number behind its last byte."""
    rows = [crops[number % len(crops)] + number.to_bytes(8, "little") for number in range(count)]
    columns: dict[str, Array] = {
        "id": encode_ids([f"train/{LABELS[n % 6]}/{n:07d}.jpg" for n in range(count)]),
        "matrix": np.tile(np.eye(2, 3), (count, 1, 1)),
        "box": np.zeros((count, 4), np.float32),
        "score": np.ones(count, np.float32),
        "detector": np.full(count, b"dlib-hog", "S32"),
        "status": np.zeros(count, np.uint8),
        "why": np.full(count, b"tight", "S32"),
        **pack_ragged(rows),
    }
    attributes = AlignOperation.of(AlignConfig(size=CROP)).attributes
    write_store(folder / "faces.h5", "faces", columns, fingerprint="benchmark", attributes=attributes)


def bare_loop(crops: Sequence[bytes]) -> float:
    """Measure the seconds of the loop that a script would run: decode, grey, predict; weights are loaded before."""
    box = TEMPLATES["loose"].face_box(CROP)
    predict_points(DLIB68, np.zeros((CROP, CROP), np.uint8), box)
    start = time.perf_counter()
    for crop in crops:
        image = decode_crop_bytes(crop)
        predict_points(DLIB68, np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8), box)
    return time.perf_counter() - start


def bare_loops(crops: Sequence[bytes], count: int, workers: int) -> tuple[float, float]:
    """Run the loop on several processors: seconds of the slowest loop, and wall seconds with starting and loading."""
    rows = [crops[number % len(crops)] for number in range(count)]
    start = time.perf_counter()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        loops = list(pool.map(bare_loop, [rows[number::workers] for number in range(workers)]))
    return max(loops), time.perf_counter() - start


def _one_thread() -> None:
    cv2.setNumThreads(1)


def stage_seconds(folder: Path, cache: Path, extractor: str) -> float:
    """Measure the wall seconds of one run of the stage ``landmarks`` in its own process, starting included."""
    start = time.perf_counter()
    run_stage(folder, cache, extractor)
    return time.perf_counter() - start


def run_stage(folder: Path, cache: Path, extractor: str) -> tuple[float, float]:
    """Run the stage in its own process; return the peak memory in MB of the process and of its largest worker."""
    command = [sys.executable, "-c", _STAGE, str(folder), extractor]
    environment = {**os.environ, "FER_AU_CACHE": str(cache)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    own, worker = done.stdout.split()
    return float(own), float(worker)


_STAGE = """
import resource, sys
from pathlib import Path
from fer_au.config.data import LandmarksConfig
from fer_au.landmarks.stage import extract_dataset
extract_dataset(LandmarksConfig(extractor=sys.argv[2]), Path(sys.argv[1]))
# Not ru_maxrss: a new process inherits that from the one that started it.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) / 1024)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def bench_landmarks(folder: Path, crops: Sequence[bytes]) -> None:
    """Compare the stage with the bare loop, in alternate rounds."""
    count, workers, rounds = 20_000, worker_count(), 3
    write_faces(folder, crops, count)
    ratios, whole, rates = [], [], []
    for number in range(rounds):
        loop, wall = bare_loops(crops, count, workers)
        stage = stage_seconds(folder, folder / f"cache{number}", "dlib68")
        ratios.append(loop / stage)
        whole.append(wall / stage)
        rates.append(count / stage)
    say(
        f"landmarks dlib68, {count} crops of 256 px, {workers} workers",
        f"{statistics.median(rates):.0f}/s, {statistics.median(ratios):.1%} of loop",
        ">= 85 %",
    )
    say(
        "  the same against the loop's whole process, as the stage's",
        f"{statistics.median(whole):.1%} of loop",
        ">= 85 %",
    )


def bench_growth(folder: Path, crops: Sequence[bytes]) -> None:
    """Measure the cost of a grown data set, and of a rerun that computes nothing."""
    count, cache = 10_000, folder / "cache"
    write_faces(folder, crops, count)
    full = stage_seconds(folder, cache, "dlib68")
    write_faces(folder, crops, count + count // 100)
    grown = stage_seconds(folder, cache, "dlib68")
    say(
        f"landmarks, 1 % more than {count} crops ({full:.1f} s in full)",
        f"{grown:.2f} s",
        f"<= 3 % + 3 s = {0.03 * full + 3:.2f} s",
    )
    count = 100_000
    write_faces(folder, crops, count)
    stage_seconds(folder, cache, "mean-shape")
    warm = [stage_seconds(folder, cache, "mean-shape") for _ in range(3)]
    size = (folder / "faces.h5").stat().st_size / count / 1e3
    say(
        f"landmarks, all {count} cached (crops of {size:.0f} kB)",
        f"{count / statistics.median(warm):.0f} items/s",
        ">= 20,000 items/s",
    )


@dataclass(frozen=True)
class _MadeUp:
    """An operation that draws points, to fill a cache of the size of AffectNet."""

    fingerprint: str = b"benchmark-rows".hex().ljust(64, "0")
    name: str = "made-up"
    modules: tuple[str, ...] = ()
    shard_rows: ClassVar[int] = 256

    def __call__(self, payloads: Sequence[int]) -> dict[str, Array]:
        n = len(payloads)
        points = np.random.default_rng(payloads[0]).normal(128, 40, (n, 68, 2)).astype(np.float32)
        return {"points": points, "score": np.zeros(n, np.float32), "status": np.zeros(n, np.uint8)}

    def wrong(self, shard: object) -> str:
        """Trust what this benchmark wrote."""
        return ""

    def faults(self, columns: object) -> int:
        return 0


def bench_rows(folder: Path) -> None:
    """Measure a landmark store of the size of AffectNet, from cached shards with made-up points."""
    count = 300_000
    os.environ["FER_AU_CACHE"] = str(folder / "cache")
    keys = np.random.default_rng(0).integers(0, 256, (count, 32), np.uint8)

    def fill() -> CachedRows:
        return compute_rows(keys, lambda rows: list(rows), _MadeUp())

    def assemble() -> None:
        assemble_store(
            folder / "landmarks.h5",
            "landmarks",
            rows=count,
            source=fill(),
            at=np.arange(count, dtype=np.int64),
            fields=FIELDS,
            columns={"id": encode_ids([f"train/{n:07d}.jpg" for n in range(count)])},
            fingerprint="benchmark",
            attributes={"image_size": CROP},
        )

    def load() -> None:
        store = Store.open(folder / "landmarks.h5", "landmarks")
        if len(store.ids) != count or not np.isfinite(store["points"]).all():
            raise SystemExit("the store is not what was written")

    def verify() -> None:
        if verify_store(folder / "landmarks.h5"):
            raise SystemExit("the store is damaged")

    fill()
    for name, action in (("assemble from the cache", assemble), ("verify", verify), ("open and load", load)):
        say(f"{count} rows: {name}", f"{seconds(action):.2f} s", "<= 30 s")


def seconds(action: Callable[[], object]) -> float:
    """Measure the wall seconds of a call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def bench_memory(folder: Path, crops: Sequence[bytes]) -> None:
    """Measure peak memory and cost per item of ten times as many images."""
    workers, peaks, costs = worker_count(), [], []
    half = (CROP // 2, CROP // 2)
    small = [encode_crop(np.asarray(cv2.resize(decode_crop_bytes(crop), half), np.uint8)) for crop in crops]
    for count in (10_000, 100_000):
        write_faces(folder, small, count)
        start = time.perf_counter()
        peaks.append(run_stage(folder, folder / f"cache{count}", "dlib68"))
        costs.append((time.perf_counter() - start) / count * 1e3)
        (folder / "faces.h5").unlink()
    (own, worker), (own_large, worker_large) = peaks
    total, total_large = own + workers * worker, own_large + workers * worker_large
    growth = f"{own:.0f} -> {own_large:.0f} MB, {own_large / own - 1:+.0%}"
    say("peak memory of landmarks, 10,000 -> 100,000 items, main process", growth, "<= +20 %")
    growth = f"{total:.0f} -> {total_large:.0f} MB, {total_large / total - 1:+.0%}"
    say(f"  with {workers} workers", growth, "<= +20 %")
    change = f"{costs[0]:.3f} -> {costs[1]:.3f} ms, {costs[1] / costs[0] - 1:+.0%}"
    say("cost per item, 10,000 -> 100,000 items", change, "within 10 %")


def bench_heatmaps(folder: Path) -> None:
    """Measure the whole stage, reading and writing included."""
    count = 150_000
    rng = np.random.default_rng(0)
    points = TEMPLATES["loose"].mean_face(CROP) + rng.normal(0, 2, (count, 68, 2))
    ids = [f"train/{n:07d}.jpg" for n in range(count)]
    columns = {
        "id": encode_ids(ids),
        "points": points.astype(np.float32),
        "score": np.full(count, np.nan, np.float32),
        "status": np.zeros(count, np.uint8),
    }
    write_store(folder / "landmarks.h5", "landmarks", columns, fingerprint="b", attributes={"image_size": CROP})
    rows = (
        ManifestRow(id_, id_, "0" * 64, "train", None, LABELS[n % 6], None, CROP, CROP, None)
        for n, id_ in enumerate(ids)
    )
    write_manifest(folder / "manifest.csv", rows)
    taken = statistics.median(seconds(lambda: render_dataset(HeatmapsConfig(), folder)) for _ in range(3))
    store = Store.open(folder / "heatmaps.h5", "heatmaps")
    bytes_each = (folder / "heatmaps.h5").stat().st_size / count
    say(f"heatmaps, {count} faces, 28x28, whole stage", f"{count / taken:.0f} maps/s", ">= 30,000 maps/s")
    say(
        "  bytes per image in the file, map and the rest",
        f"{store['map'][0].nbytes} + {bytes_each - store['map'][0].nbytes:.1f}",
        "784 and nothing else of weight",
    )


def main(parts: Sequence[str]) -> None:
    """Run some parts and print their figures."""
    print(f"{cpu_name()}, {os.cpu_count()} processors, {worker_count()} workers, load {os.getloadavg()[0]:.1f}")
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "h5py", "opencv-python", "dlib-bin", "fer-au"))
    print(f"Python {platform.python_version()}, {packages}")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        crops = demo_crops(root / "demo") if {"landmarks", "growth", "memory"} & set(parts) else []
        actions: dict[str, Callable[[Path], None]] = {
            "landmarks": lambda folder: bench_landmarks(folder, crops),
            "growth": lambda folder: bench_growth(folder, crops),
            "rows": bench_rows,
            "memory": lambda folder: bench_memory(folder, crops),
            "heatmaps": bench_heatmaps,
        }
        for part in parts:
            folder = root / part
            folder.mkdir()
            actions[part](folder)


if __name__ == "__main__":
    main(sys.argv[1:] or ["landmarks", "growth", "rows", "memory", "heatmaps"])

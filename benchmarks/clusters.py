"""Measure speed and memory of LAN's clusters: ``python -m benchmarks.clusters [IMAGES]``.

Made-up features of RAF-DB's size, 12,000 images x 49 positions x 512 channels, go to the disk batch by batch as the
base model would give them, are clustered position by position, and those of the mirrored images are told apart. They
are rectified, and neighbouring channels share a part of their variance. In one run they hold two kinds of face; in the
other one kind, K-means' worst case: there every start takes many steps.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.compute import worker_count
from fer_au.cues.clusters import feature_spool, fit_clusters
from fer_au.machine import cpu_name

IMAGES, POSITIONS, CHANNELS = 12_000, 49, 512
BATCH = 64
LIMIT_SECONDS, LIMIT_GB = 60, 2.0


def features(images: int, kinds: float, seed: int) -> Iterator[NDArray[np.float32]]:
    """Make up batches (n, positions, channels) of features; ``kinds`` is the distance between two kinds of face."""
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal((POSITIONS, CHANNELS), dtype=np.float32)
    shared = rng.standard_normal((8, POSITIONS * CHANNELS), dtype=np.float32)
    for start in range(0, images, BATCH):
        count = min(BATCH, images - start)
        kind = (rng.random((count, POSITIONS, 1)) < 0.3).astype(np.float32)
        common = rng.standard_normal((count, 8), dtype=np.float32) @ shared / 4
        noise = rng.standard_normal((count, POSITIONS, CHANNELS), dtype=np.float32)
        yield np.maximum(noise + common.reshape(noise.shape) + kinds * kind * direction, 0)


class Memory(threading.Thread):
    """Watches the resident memory of this process and its workers, all together.

    Attributes:
        peak: Gigabytes; pages that processes share count for each.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0

    def run(self) -> None:
        """Look twenty times a second."""
        while True:
            self.peak = max(self.peak, sum(map(self._resident, Path("/proc").glob("[0-9]*/stat"))))
            time.sleep(0.05)

    @staticmethod
    def _resident(stat: Path) -> float:
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # the process has ended
            return 0.0
        ours = int(fields[2]) == os.getpgrp()
        return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e9 if ours else 0.0


def run(images: int, kinds: float) -> tuple[float, float]:
    """Measure the seconds of everything but making features up, and the median share of attentive images."""
    seconds = 0.0
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as folder,
        feature_spool(Path(folder) / "features", images, POSITIONS, CHANNELS) as spool,
    ):
        for block in features(images, kinds, seed=0):
            start = time.perf_counter()
            spool.append(block)
            seconds += time.perf_counter() - start
        start = time.perf_counter()
        clusters, own = fit_clusters(spool)
        seconds += time.perf_counter() - start
    for block in features(images, kinds, seed=1):
        start = time.perf_counter()
        clusters.maps(block)
        seconds += time.perf_counter() - start
    return seconds, float(np.median(own.mean(axis=0)))


def main() -> None:
    """Print the table."""
    images = int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "fer-au"))
    print(f"host: {cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {platform.system()}")
    print(f"versions: Python {platform.python_version()}, {packages}")
    print(f"{images} images x {POSITIONS} positions x {CHANNELS} channels, mirrored ones too; {worker_count()} workers")
    print(f"{'features':<12}{'seconds':>9}{'limit':>8}{'peak GB':>9}{'limit':>8}{'attentive':>11}")
    memory = Memory()
    memory.start()
    for name, kinds in (("two kinds", 0.6), ("one kind", 0.0)):
        seconds, attentive = run(images, kinds)
        peak = memory.peak
        verdict = "ok" if seconds <= LIMIT_SECONDS and peak <= LIMIT_GB else "MISSED"
        print(f"{name:<12}{seconds:>9.1f}{LIMIT_SECONDS:>8}{peak:>9.2f}{LIMIT_GB:>8.1f}{attentive:>11.0%}  {verdict}")


if __name__ == "__main__":
    main()

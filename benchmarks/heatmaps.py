"""Measure speed and fidelity of the AU maps: ``python -m benchmarks.heatmaps`` from the repository's root.

Times are of one thread on 200 synthetic faces (``benchmarks/shared/random_points.py``) with the six expressions in
turn, 28 x 28 maps. The slow reference is ``benchmarks/shared/published_maps.py``: the published drawing with OpenCV,
one image at a time.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.shared.published_maps import CODEBOOK, published_map
from benchmarks.shared.random_points import cosine, mirrored, random_faces
from fer_au.cues import list_codebooks, load_codebook, render_au_maps
from fer_au.machine import cpu_name

FACES = 200
EXPRESSIONS = tuple(CODEBOOK)
LIMITS_MS = {"corrected": 0.024, "paper": 0.4}
MINIMUM_COSINE = {"paper": 0.99, "mirror": 0.999, "scale": 0.995}
ALL_ONES = {"happiness": 0.43, "surprise": 0.48, "fear": 0.52, "anger": 0.43, "disgust": 0.42, "sadness": 0.54}

Maps = NDArray[np.floating]


def one_thread() -> None:
    """Start over with one thread per library, where that is not so yet."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    if any(os.environ.get(name) != value for name, value in limits.items()):
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.heatmaps"], {**os.environ, **limits})
    cv2.setNumThreads(1)


def milliseconds_per_map(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Measure the median wall time and the median CPU time per map of ``FACES`` maps, milliseconds."""
    work()
    times = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = np.median(times, axis=0) * 1000 / FACES
    return float(wall), float(cpu)


def render(faces: NDArray[np.float64], labels: list[str], profile: str, size: float = 224) -> Maps:
    """Render the 28 x 28 maps of one profile."""
    maps, valid = render_au_maps(faces, labels, image_size=size, codebook=profile, geometry=profile)
    if not valid.all():
        raise SystemExit("a synthetic face has no map")
    return maps


def print_speed(faces: NDArray[np.float64]) -> None:
    """Print the milliseconds per map, and how many times quicker than the slow reference that is."""
    labels = [EXPRESSIONS[i % len(EXPRESSIONS)] for i in range(len(faces))]
    _, slow = milliseconds_per_map(
        lambda: [published_map(face, CODEBOOK[label]) for face, label in zip(faces, labels, strict=True)], repeats=3
    )
    print(f"\nslow reference, 224 px, one by one: {slow:.3f} ms/map (CPU)")
    print(f"{'profile':<12}{'wall ms/map':>12}{'CPU ms/map':>12}{'limit':>8}{'':>8}{'x reference':>13}")
    for profile, limit in LIMITS_MS.items():
        wall, cpu = milliseconds_per_map(lambda name=profile: render(faces, labels, name), repeats=50)  # type: ignore[misc]
        # On an idle machine both agree; on a shared one, wall time also counts waiting for the processor.
        verdict = "ok" if cpu <= limit else "MISSED"
        print(f"{profile:<12}{wall:>12.4f}{cpu:>12.4f}{limit:>8}{verdict:>8}{slow / cpu:>13.0f}")


def print_fidelity(faces: NDArray[np.float64]) -> None:
    """Print cosines of ``paper`` with the published maps, and of ``corrected`` with its mirrored and rescaled maps."""
    print("\nmean cosine over the faces (limits: " + ", ".join(f"{k} {v}" for k, v in MINIMUM_COSINE.items()) + ")")
    print(f"{'expression':<12}{'paper':>10}{'worst':>10}{'mirror':>10}{'scale':>10}")
    for expression in EXPRESSIONS:
        labels = [expression] * len(faces)
        published = np.stack(
            [drawn for face in faces if (drawn := published_map(face, CODEBOOK[expression])) is not None]
        )
        enlarged = np.stack([cv2.resize(drawn, (224, 224)) for drawn in render(faces, labels, "paper")])
        paper = cosine(enlarged, published)
        maps = render(faces, labels, "corrected")
        mirror = cosine(maps, render(mirrored(faces, 224), labels, "corrected")[:, :, ::-1]).mean()
        small, large = render(faces / 2, labels, "corrected", 112), render(faces * 2, labels, "corrected", 448)
        scale = cosine(small, large).mean()
        print(f"{expression:<12}{paper.mean():>10.4f}{paper.min():>10.4f}{mirror:>10.6f}{scale:>10.6f}")


def print_all_ones(faces: NDArray[np.float64]) -> None:
    """Print the cosine of an all-ones map, a blank attention, with the maps of each profile."""
    print("\nmean cosine of an all-ones map (published: as measured on the authors' geometry)")
    print(f"{'expression':<12}{'published':>10}{'paper':>10}{'corrected':>10}")
    rows = []
    for expression in EXPRESSIONS:
        maps = [render(faces, [expression] * len(faces), profile) for profile in ("paper", "corrected")]
        rows.append([ALL_ONES[expression], *(float(cosine(drawn, np.ones_like(drawn)).mean()) for drawn in maps)])
        print(f"{expression:<12}{rows[-1][0]:>10.2f}{rows[-1][1]:>10.3f}{rows[-1][2]:>10.3f}")
    macro = np.mean(rows, axis=0)
    print(f"{'macro':<12}{macro[0]:>10.2f}{macro[1]:>10.3f}{macro[2]:>10.3f}")


def main() -> None:
    """Print all tables."""
    one_thread()
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "opencv-python", "fer-au"))
    print(f"host: {cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {platform.system()}")
    print(f"versions: Python {platform.python_version()}, {packages}; threads 1, batch {FACES}, maps 28 x 28")
    print("codebooks: " + ", ".join(f"{name} {load_codebook(name).sha256[:12]}" for name in list_codebooks()))
    faces = random_faces(FACES)
    print_speed(faces)
    print_fidelity(faces)
    print_all_ones(faces)


if __name__ == "__main__":
    main()

"""Measure how fast the demo set is rendered, how many of its faces dlib finds, and the errors of dlib's points.

    python benchmarks/demo.py [--root data/demo/raw]     (without --root the default set is rendered first)

Errors are mean point distances divided by the distance of the outer eye corners (36-45), the usual 300-W measure.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_au.assets import DLIB68, find_weights
from fer_au.compute import batched, map_ordered, worker_count
from fer_au.config.data import DemoConfig
from fer_au.demo.generate import LABELS, TRUTH, generate, plan, render_person
from fer_au.expressions import EXPRESSIONS
from fer_au.ibug68 import GROUPS
from fer_au.stores.reader import Store


@dataclass(frozen=True)
class Measured:
    """One picture: boxes found without and with upsampling, and the error of each point (68,), NaN if not found."""

    found: int
    found_upsampled: int
    errors: NDArray[np.float64]


@lru_cache(maxsize=1)
def tools() -> tuple[Any, Any]:
    """Load dlib's detector and 68-point predictor, once per process."""
    import dlib

    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(find_weights(DLIB68)))


def measure(pictures: Sequence[tuple[Path, NDArray[np.float32]]]) -> list[Measured]:
    """Detect and compare; pictures come with their true points."""
    detector, predictor = tools()
    results = []
    for path, truth in pictures:
        with Image.open(path) as file:
            picture = np.asarray(file.convert("RGB"))
        boxes = detector(picture, 0)
        upsampled = len(boxes) or len(detector(picture, 1))
        errors = np.full(68, np.nan)
        if boxes:
            centre = truth.mean(axis=0)
            box = min(boxes, key=lambda b: (b.center().x - centre[0]) ** 2 + (b.center().y - centre[1]) ** 2)
            shape = predictor(picture, box)
            found = np.array([(shape.part(k).x + 0.5, shape.part(k).y + 0.5) for k in range(68)])
            errors = np.linalg.norm(found - truth, axis=1) / np.linalg.norm(truth[45] - truth[36])
        results.append(Measured(len(boxes), upsampled, errors))
    return results


def cpu_milliseconds(config: DemoConfig) -> float:
    """Measure the processor time of one picture with its share of painting the person, once the asset is loaded."""
    cv2.setNumThreads(1)
    tasks = plan(config)[:5]
    render_person(tasks[0])
    start = time.process_time()
    for task in tasks[1:]:
        render_person(task)
    return 1000 * (time.process_time() - start) / (4 * config.images)


def report(labels: list[str], subjects: list[str], measured: list[Measured]) -> None:
    """Print the figures."""
    found = np.array([m.found for m in measured])
    errors = np.stack([m.errors for m in measured])
    print(f"dlib HOG, upsample 0: {np.mean(found > 0):.2%} of {len(found)} found ({np.sum(found > 1)} with two boxes)")
    print(f"dlib HOG, upsample 1: {np.mean([m.found_upsampled > 0 for m in measured]):.2%}")
    mean, inner = np.nanmean(errors), np.nanmean(errors[:, 17:])
    print(f"dlib68 error / inter-ocular distance: mean {mean:.4f}, without the jaw {inner:.4f}")
    whole = np.nanmean(errors[found > 0], axis=1)
    median, most, bad = np.median(whole), np.quantile(whole, 0.95), np.mean(whole > 0.1)
    print(f"  per picture: median {median:.4f}, 95 % below {most:.4f}, above 0.10: {bad:.2%}")
    for name, points in GROUPS.items():
        print(f"  {name:12s} {np.nanmean(errors[:, list(points)]):.4f}")
    for label in (name for name in EXPRESSIONS if name in labels):
        rows = np.array([row == label for row in labels])
        print(f"  {label:12s} found {np.mean(found[rows] > 0):.2%}, error {np.nanmean(errors[rows]):.4f}")
    missed = [f"{subject}/{label}" for subject, label, count in zip(subjects, labels, found, strict=True) if count == 0]
    print(f"missed: {', '.join(missed[:12]) or 'none'}")


def main(root: Path | None) -> None:
    """Render if need be, measure, print."""
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, ",
        end="",
    )
    print(f"{worker_count()} workers; Python {platform.python_version()}, numpy {np.__version__}, ", end="")
    print(f"OpenCV {cv2.__version__}, dlib {version('dlib-bin')}")
    with tempfile.TemporaryDirectory() as folder:
        if root is None:
            root, config = Path(folder) / "raw", DemoConfig()
            start = time.perf_counter()
            generate(config, root)
            seconds, count = time.perf_counter() - start, config.identities * config.images
            print(f"rendered {count} in {seconds:.1f} s: {count / seconds:.1f}/s; ", end="")
            print(f"{cpu_milliseconds(config):.1f} ms CPU per picture in one process")
        with (root / LABELS).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        truth = Store.open(root / TRUTH, "truth")["points"]
        tasks = batched([(root / row["path"], points) for row, points in zip(rows, truth, strict=True)], 50)
        sizes = [len(task) for task in tasks]
        measured = [m for batch in map_ordered(measure, tasks, label="dlib", weights=sizes) for m in batch]
    report([row["label"] for row in rows], [row["subject"] for row in rows], measured)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=None, help="an already rendered set")
    main(parser.parse_args().root)

"""Time detectors and extractors: processor time of one core, all in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.landmarks.faces import FaceSet, evenly
from benchmarks.landmarks.pairs import Crops, hint_of, points_in_crops
from fer_au.faces.alignment import Aligner
from fer_au.faces.crops import decode_crop_bytes
from fer_au.faces.detectors import Detector, create_detector
from fer_au.landmarks.extractors import Extractor

REPEATS = 3
_FEWEST, _ROUND_SECONDS = 4, 4.0
Key = TypeVar("Key")
Picture = NDArray[np.uint8]
Hint = NDArray[np.float64] | None


@dataclass(frozen=True)
class Searched:
    """Result of one detector's search.

    Attributes:
        aligner: Aligner that holds the detector.
        faces: Faces that were searched.
        crops: Crops of these faces.
        seconds: Rough wall time per picture; decides how many pictures a timing takes.
    """

    aligner: Aligner
    faces: FaceSet
    crops: Crops
    seconds: float


@dataclass(frozen=True)
class PairSeconds:
    """Processor seconds per picture; ``align`` includes ``detect``."""

    detect: float
    align: float
    extract: float

    @property
    def whole(self) -> float:
        """Seconds from a decoded picture to its points."""
        return self.align + self.extract


@contextmanager
def one_thread() -> Iterator[None]:
    """Give OpenCV and torch one thread each, as in a worker of the pipeline."""
    before = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


def pair_seconds(
    searched: Mapping[str, Searched], extractors: Mapping[str, Extractor], timed: int
) -> dict[tuple[str, str], PairSeconds]:
    """Time every pair; extraction includes the looks from shifted boxes where no detector vouches for a face.

    Args:
        searched: Detector -> result of its search.
        extractors: Name -> extractor.
        timed: Number of pictures per timing; a slow detector gets fewer.
    """
    tasks: dict[tuple[str, str], Callable[[], object]] = {}
    counts: dict[tuple[str, str], int] = {}
    for name, part in searched.items():
        rows = evenly(len(part.faces), max(_FEWEST, min(timed, int(_ROUND_SECONDS / max(part.seconds, 1e-9)))))
        pictures = [part.faces.picture(row) for row in rows]
        hints = [hint_of(name, part.faces, row) for row in rows]
        tasks["detect", name] = partial(_detect, create_detector(name), pictures, hints)
        tasks["align", name] = partial(_align, part.aligner, pictures, hints)
        counts["detect", name] = counts["align", name] = len(rows)
        usable = part.crops.usable
        chosen = [usable[place] for place in evenly(len(usable), timed)] if usable else []
        images = {row: decode_crop_bytes(part.crops.data[row]) for row in chosen}
        for extractor_name, extractor in extractors.items():
            tasks[name, extractor_name] = partial(points_in_crops, extractor, images, part.crops)
            counts[name, extractor_name] = len(images)
    seconds = processor_seconds(tasks, REPEATS)
    each = {key: seconds[key] / max(counts[key], 1) for key in tasks}
    return {
        (name, extractor): PairSeconds(each["detect", name], each["align", name], each[name, extractor])
        for name in searched
        for extractor in extractors
    }


def processor_seconds(tasks: Mapping[Key, Callable[[], object]], repeats: int) -> dict[Key, float]:
    """Take the median processor time of each task, after a warm-up each.

    Rounds go through all tasks in turn, so that a machine that slows down slows all alike. Processor time is that of
    all threads: on an idle core it is the wall time, and on a shared one it leaves the waiting out.
    """
    times: dict[Key, list[float]] = {key: [] for key in tasks}
    for task in tasks.values():
        task()
    for _ in range(repeats):
        for key, task in tasks.items():
            start = time.process_time()
            task()
            times[key].append(time.process_time() - start)
    return {key: median(values) for key, values in times.items()}


def _detect(detector: Detector, pictures: list[Picture], hints: list[Hint]) -> None:
    for picture, hint in zip(pictures, hints, strict=True):
        detector.detect(picture, hint)


def _align(aligner: Aligner, pictures: list[Picture], hints: list[Hint]) -> None:
    for picture, hint in zip(pictures, hints, strict=True):
        aligner(picture, hint)

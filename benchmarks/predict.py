"""Time ``fer-au predict`` beside bare detection and forward passes in the same run.

    python -m benchmarks.predict models/au /lab/photos --count 1000 --rounds 3

Bare: as many worker processes of ``concurrent.futures`` decode each picture and align its face; this process sends the
crops through the network. No table, no encoding, nothing kept. The goal is at most 1.25 times its time. Figures count
where the load that is printed is that of this program alone: about its workers and one.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from fer_au.batches.preprocess import resize_picture
from fer_au.compute import batched, worker_count
from fer_au.decoding import ImageRejected, decode_image
from fer_au.errors import DataError
from fer_au.faces import Aligner
from fer_au.machine import cpu_name
from fer_au.predictor import Predictor
from fer_au.use.inputs import find_sources
from fer_au.use.predict import PART, TASK, Wanted, predict_pictures

LIMIT = 1.25


def crops_of(aligner: Aligner, paths: Sequence[str]) -> list[NDArray[np.uint8]]:
    """Decode pictures and align their faces; those that can't be decoded are left out."""
    cv2.setNumThreads(1)
    crops = []
    for path in paths:
        try:
            crops.append(aligner(decode_image(Path(path).read_bytes())).crop)
        except ImageRejected:
            continue
    return crops


def bare(predictor: Predictor, paths: Sequence[str]) -> float:
    """Measure the bare way, in seconds."""
    if predictor.aligner is None:
        raise DataError("the model doesn't record how its crops were made")
    start = time.perf_counter()
    context = get_context("forkserver")
    with ProcessPoolExecutor(worker_count(), mp_context=context) as pool, torch.inference_mode():
        waiting: list[NDArray[np.uint8]] = []
        for crops in pool.map(partial(crops_of, predictor.aligner), batched(paths, TASK)):
            waiting += crops
            if len(waiting) >= PART:
                forward(predictor, waiting)
                waiting = []
        if waiting:
            forward(predictor, waiting)
    return time.perf_counter() - start


def forward(predictor: Predictor, crops: Sequence[NDArray[np.uint8]]) -> None:
    """Send crops through the network."""
    inputs = np.stack([resize_picture(crop, predictor.preprocess.image_size) for crop in crops])
    predictor.model(predictor.preprocess(torch.from_numpy(inputs).permute(0, 3, 1, 2))).logits.softmax(1).numpy()


def predicted(model: Path, paths: Sequence[str]) -> float:
    """Measure the command's own way, in seconds, the loading of the model included."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        predict_pictures(model, paths, Wanted(Path(folder) / "answers.csv"), "cpu")
        return time.perf_counter() - start


def main() -> None:
    """Measure both ways in turn, and print medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("folder")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    paths = [source.path for source in find_sources([options.folder])[0]][: options.count]
    predictor = Predictor.load(options.model, "cpu")
    print(
        f"{platform.node()}, {cpu_name()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}, "
        f"{worker_count()} workers, {torch.get_num_threads()} threads of torch, {len(paths)} pictures"
    )
    rounds = []
    for number in range(options.rounds):
        # They take turns in beginning: what was read once lies in memory, and other programs come and go.
        if number % 2:
            plain, ours = bare(predictor, paths), predicted(options.model, paths)
        else:
            ours, plain = predicted(options.model, paths), bare(predictor, paths)
        rounds.append((ours, plain))
        print(
            f"round {number}: predict {len(paths) / ours:.1f}/s, bare {len(paths) / plain:.1f}/s, "
            f"ratio {ours / plain:.2f}, "
            f"load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    ratio = statistics.median(ours / plain for ours, plain in rounds)
    print(f"median ratio {ratio:.2f} (limit: {LIMIT})")


if __name__ == "__main__":
    main()

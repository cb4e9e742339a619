"""Measure time and memory of an evaluation and of its report: ``python -m benchmarks.evaluate`` from the root.

The data set is made up: noise for pictures, random faces for landmarks, one AU map and one motion map per face. The
model is timm's smallest ResNet, untrained, or that of ``--backbone``. Evaluation and report run in processes of their
own, whose peak memory is told: most of it is torch's, and it should hardly grow with the images. Beside it stands the
time of probabilities alone, from the same crops. Times are those of processors, so that other work on the machine
counts little.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from benchmarks.shared.random_points import random_faces
from fer_au.batches.faces import FaceDataset
from fer_au.batches.loading import BatchLoader, cut_batches
from fer_au.batches.preprocess import Preprocessing
from fer_au.config.experiments import EvaluateConfig
from fer_au.cues import create_codebook, render_au_maps
from fer_au.datasets import ManifestRow, write_manifest
from fer_au.datasets.leaks import Leaks, write_leaks
from fer_au.evaluation import evaluate_experiment
from fer_au.expressions import EXPRESSIONS
from fer_au.faces.crops import encode_crop
from fer_au.landmarks.head_pose import estimate_poses
from fer_au.machine import cpu_name
from fer_au.models import create_model, load_model, save_model
from fer_au.report import write_report
from fer_au.stores import write_store
from fer_au.stores.columns import encode_ids, pack_ragged

Split = Literal["train", "valid", "test"]

CROP, GRID, MOTION = 64, 28, 32
CLASSES = EXPRESSIONS[:7]
DISTINCT = 500  # faces that repeat
TRAINING = 140
LIMIT_MB = 1500
NAME = "plain"
BACKBONE = "test_resnet"


def make_data(folder: Path, images: int) -> None:
    """Write the stores of a data set with so many test images."""
    rng = np.random.default_rng(0)
    count = images + TRAINING
    labels = [CLASSES[row % len(CLASSES)] for row in range(count)]
    splits: list[Split] = ["test" if row < images else "train" for row in range(count)]  # rows are sorted by id
    ids = [f"{split}/{row:07}.png" for row, split in enumerate(splits)]
    rows = [
        ManifestRow(id_, id_, "0" * 64, split, None, label, None, CROP, CROP, None)
        for id_, split, label in zip(ids, splits, labels, strict=True)
    ]
    write_manifest(folder / "manifest.csv", rows)
    places = np.arange(count) % DISTINCT
    points = random_faces(DISTINCT, size=CROP).astype(np.float32)[places]
    maps, valid = render_au_maps(points, labels, CROP, GRID)
    crops = [encode_crop(rng.integers(0, 255, (CROP, CROP, 3), np.uint8)) for _ in range(DISTINCT)]
    own, zeros, size = {"id": encode_ids(ids)}, np.zeros(count, np.float32), {"image_size": CROP}
    faces = {
        **own,
        **pack_ragged([crops[place] for place in places]),
        "matrix": np.tile(np.eye(2, 3), (count, 1, 1)),
        "box": np.zeros((count, 4), np.float32),
        "score": zeros,
        "detector": np.full(count, b"none"),
        "status": np.zeros(count, np.uint8),
    }
    write_store(folder / "faces.h5", "faces", faces, fingerprint="f", attributes=size)
    poses = estimate_poses(points[:DISTINCT], np.tile(np.eye(2, 3), (min(count, DISTINCT), 1, 1)))
    known = {name: column[places] for name, column in poses.columns().items()}
    landmarks = {**own, **known, "points": points, "score": zeros, "status": np.zeros(count, np.uint8)}
    write_store(folder / "landmarks.h5", "landmarks", landmarks, fingerprint="l", attributes=size)
    drawn = {**create_codebook("corrected").attributes, "geometry": "corrected"}
    heat = {**own, "map": np.rint(maps * 255).astype(np.uint8), "valid": valid}
    write_store(folder / "heatmaps.h5", "heatmaps", heat, fingerprint="h", attributes=drawn)
    motion = rng.integers(0, 255, (DISTINCT, MOTION, MOTION), np.uint8)[places]
    write_store(folder / "annotations.h5", "annotations", {**own, "motion": motion}, fingerprint="a")
    for stage in ("ingest", "align", "landmarks"):
        path = folder / "rejects" / f"{stage}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("id,reason,detail\n")
    write_leaks(folder / "rejects/leaks.csv", Leaks())


def make_model(folder: Path, side: int = CROP, backbone: str = BACKBONE) -> None:
    """Write an untrained model, with an input of ``side`` pixels, as the train stage writes it."""
    model = create_model({"backbone": backbone, "output_stride": 8}, CLASSES, seed=0)
    preprocessing = {"image_size": side, "channels": 3, "mean": [0.5] * 3, "std": [0.25] * 3, "align": {}}
    meta = {
        "experiment": {"dataset": "made", "seed": 0, "fold": None},
        "preprocessing": preprocessing,
        "seed": 0,
        "selected_on": "valid",
        "selected_epoch": 0,
        "precision": "fp32",
        "train_images_per_second": 1.0,
    }
    save_model(folder, model, meta)
    (folder / "history.csv").write_text("epoch,train_accuracy,valid_accuracy\n0,0.1,0.1\n")


def make_project(images: int, side: int = CROP, backbone: str = BACKBONE) -> None:
    """Write data, model and params.yaml into the current folder; the model's input has ``side`` pixels."""
    make_data(Path("data/made"), images)
    make_model(Path("models") / NAME, side, backbone)
    experiment = {"dataset": "made", "base": "none", "model": {"backbone": backbone, "output_stride": 8}}
    datasets = {"made": {"adapter": "folder", "root": "data"}}
    Path("params.yaml").write_text(json.dumps({"datasets": datasets, "experiments": {NAME: experiment}}))


def evaluate() -> None:
    """Evaluate the model in the current folder."""
    evaluate_experiment(
        EvaluateConfig(),
        dataset_dir=Path("data/made"),
        model_dir=Path("models") / NAME,
        metrics_path=Path("metrics") / f"{NAME}.json",
        store_path=Path("evaluation") / f"{NAME}.h5",
    )


def infer() -> None:
    """Ask the model in the current folder for its probabilities alone: what an evaluation is compared with."""
    model, meta = load_model(Path("models") / NAME)
    preprocess = Preprocessing.from_meta(meta["preprocessing"])
    dataset = FaceDataset(Path("data/made"), "test", preprocess.image_size, model.classes)
    model = model.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for batch in BatchLoader(dataset, keep=False)(cut_batches(range(len(dataset)), EvaluateConfig().batch_size)):
            inputs = preprocess(batch.images).contiguous(memory_format=torch.channels_last)
            model(inputs).logits.softmax(dim=1)


def report() -> None:
    """Write the report of the current folder."""
    write_report(Path("params.yaml"), Path(), Path("report/index.html"))


class Cost(NamedTuple):
    """What some work costs: wall and processor time in seconds, and peak memory in megabytes."""

    seconds: float
    processor: float
    peak: float


def measured(work: Callable[[], None]) -> Cost:
    """Run some work in a fresh process; its processor time tells where other work delays it."""
    queue: multiprocessing.SimpleQueue[Cost] = multiprocessing.get_context("spawn").SimpleQueue()
    process = multiprocessing.get_context("spawn").Process(target=_measure, args=(work, queue))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{work.__name__} ended with {process.exitcode}")
    return queue.get()


def _measure(work: Callable[[], None], queue: multiprocessing.SimpleQueue[Cost]) -> None:
    start = time.perf_counter(), time.process_time()
    work()
    queue.put(Cost(time.perf_counter() - start[0], time.process_time() - start[1], _peak()))


def _peak() -> float:
    """Read this process's peak memory in megabytes; Linux's getrusage would count that of its parent, too."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if platform.system() != "Darwin" else peak / 1024**2


def main() -> None:
    """Make the data, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=int, nargs="*", default=[500, 5000], help="numbers of test images")
    parser.add_argument("--backbone", default=BACKBONE, help="default %(default)s, the smallest")
    parser.add_argument("--side", type=int, default=CROP, help="pixels of the network's input")
    options = parser.parse_args()
    print(f"host: {cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {platform.system()}")
    print("versions: " + ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "numpy", "fer-au")))
    print(
        f"{'images':>8}{'plain, s':>10}{'evaluate, s':>14}{'ratio':>8}{'ms/image':>10}{'peak, MB':>10}"
        f"{'report, s':>12}{'peak, MB':>10}   (seconds of processors)"
    )
    for images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["FER_AU_CACHE"] = str(Path(folder) / "cache")
            os.chdir(folder)
            make_project(images, options.side, options.backbone)
            plain, own, page = measured(infer), measured(evaluate), measured(report)
            ratio, speed = own.processor / plain.processor, own.processor / images * 1000
            print(
                f"{images:>8}{plain.processor:>10.1f}{own.processor:>14.1f}{ratio:>8.2f}{speed:>10.2f}{own.peak:>10.0f}"
                f"{page.processor:>12.1f}{page.peak:>10.0f}",
                flush=True,
            )
            os.chdir("/")
    print(f"limit of the evaluation's peak at 50,000 images: {LIMIT_MB} MB")


if __name__ == "__main__":
    main()

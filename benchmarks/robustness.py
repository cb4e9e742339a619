"""Measure what disturbed test images cost: ``python -m benchmarks.robustness`` from the root.

The data set is that of ``benchmarks.evaluate``: noise for pictures, random faces for landmarks, and timm's smallest
ResNet, untrained. All disturbances are done, for several experiments one after the other, each in a process of its own
whose peak memory is told. The time is compared with that of the same number of bare forward passes, on one batch that
lies in memory: what is left is disturbing, decoding, and scoring the attention.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.evaluate import NAME, make_project, measured
from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.compute import Progress
from fer_au.config.robustness import DISTURBANCES
from fer_au.evaluation.robustness import RobustnessRunner, count_disturbed
from fer_au.machine import cpu_name
from fer_au.models import load_model
from fer_au.speed import keep_freed_memory

EXPERIMENTS = 2
LIMIT_S = 240
BATCH = 64


def disturbed() -> None:
    """Score the model in the current folder under all disturbances."""
    keep_freed_memory(os.environ)  # as stages do
    model, meta = load_model(Path("models") / NAME)
    preprocess = Preprocessing.from_meta(meta["preprocessing"])
    dataset = FaceDataset(Path("data/made"), "test", preprocess.image_size, model.classes)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).to(memory_format=torch.channels_last)
    with Progress("disturbed", count_disturbed(len(dataset), DISTURBANCES), "passes") as progress:
        RobustnessRunner(model, dataset, preprocess, device, BATCH, progress).answers(DISTURBANCES)


@torch.inference_mode()
def seconds_per_pass(passes: int = 20) -> float:
    """Measure one image's bare forward pass, in batches of the same size, in the current folder."""
    keep_freed_memory(os.environ)
    model, meta = load_model(Path("models") / NAME)
    side = Preprocessing.from_meta(meta["preprocessing"]).image_size
    images = torch.randn(BATCH, 3, side, side).contiguous(memory_format=torch.channels_last)
    model = model.to(memory_format=torch.channels_last)
    model(images)
    start = time.process_time()
    for _ in range(passes):
        model(images)
    return (time.process_time() - start) / (passes * BATCH)


def main() -> None:
    """Make the data, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=int, nargs="*", default=[300, 1500], help="numbers of test images")
    parser.add_argument("--size", type=int, default=96, help="side of the model's input, pixels")
    options = parser.parse_args()
    print(f"host: {cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {platform.system()}")
    print("versions: " + ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "numpy", "fer-au")))
    print(f"{EXPERIMENTS} experiments, {len(DISTURBANCES)} disturbances, {options.size} px")
    print("seconds are those of processors, so that other work on the machine counts little")
    print(f"{'images':>8}{'seconds':>10}{'passes/s':>10}{'bare, s':>10}{'ratio':>8}{'peak, MB':>10}")
    for images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            make_project(images, options.size)
            runs = [measured(disturbed) for _ in range(EXPERIMENTS)]
            seconds, peak = sum(run.processor for run in runs), max(run.peak for run in runs)
            passes = EXPERIMENTS * count_disturbed(images, DISTURBANCES)
            bare = passes * seconds_per_pass()
            print(
                f"{images:>8}{seconds:>10.0f}{passes / seconds:>10.0f}{bare:>10.0f}{seconds / bare:>8.2f}{peak:>10.0f}",
                flush=True,
            )
            os.chdir("/")
    print(f"limit for 1,500 images on two quiet cores: {LIMIT_S} s of a clock, {2 * LIMIT_S} s of processors")


if __name__ == "__main__":
    main()

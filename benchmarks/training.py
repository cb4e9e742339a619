"""Speed of training: ``python -m benchmarks.training [BACKBONE]`` from the repository's root.

Three ratios, each with its limit: whole epochs on made-up 256 px JPEG crops (decoding, joint augmentation, guidance)
against bare updates on one ready batch in memory; guided epochs against vanilla ones; and bare updates in the precision
that ``auto`` takes against float32. Short runs alternate, and a ratio is the median over rounds of what was measured in
one round, so that a busy machine moves both sides alike.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from benchmarks.shared.blobs import CENTRES, many, write_dataset
from fer_au.batches.faces import FaceDataset
from fer_au.batches.loading import BatchLoader, cut_batches, shuffled
from fer_au.batches.precision import autocast
from fer_au.batches.preprocess import Preprocessing
from fer_au.batches.seeds import generator_for
from fer_au.compute import worker_count
from fer_au.config.experiments import GuidanceConfig, ModelConfig, TrainConfig
from fer_au.machine import cpu_name
from fer_au.models import create_model
from fer_au.training.guidance import Guidance
from fer_au.training.trainer import Trainer

IMAGES = 128
ROUNDS = 7
EPOCH_SHARE = 0.9  # of the images/s of a ready batch, at least
GUIDANCE_COST = 0.02  # of a vanilla epoch's time, at most
BF16_GAIN = 1.6  # times the images/s of float32, at least
GUIDANCE = GuidanceConfig(weight=4.0)
READY, READY_FP32 = "ready batch", "ready batch, float32"
VANILLA, GUIDED, DECODED = "epoch, images kept", "epoch, guided, images kept", "epoch, images decoded"


def make_trainer(
    backbone: str, faces: FaceDataset, config: TrainConfig, guidance: Sequence[GuidanceConfig] = ()
) -> Trainer:
    """A fresh trainer, with guidance or without."""
    model = create_model(ModelConfig(backbone=backbone), faces.classes, seed=0)
    return Trainer("benchmark", model, Guidance(guidance, model, faces, 0), config, 0, Preprocessing(config.image_size))


def ready_batch(trainer: Trainer, faces: FaceDataset) -> Callable[[], None]:
    """As many bare updates as an epoch has, all on one batch that is ready in memory."""
    batch = faces.batch(range(trainer.config.batch_size))
    inputs = trainer.preprocessing(batch.images).contiguous(memory_format=torch.channels_last)

    def run() -> None:
        trainer.model.train()
        for _ in range(len(faces) // len(batch)):
            with autocast(trainer.device, trainer.precision):
                logits = trainer.model(inputs).logits
            loss = functional.cross_entropy(logits, batch.labels)
            trainer.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            trainer.optimizer.step()

    return run


def epoch(trainer: Trainer, faces: FaceDataset, loader: BatchLoader | None) -> Callable[[], None]:
    """A real epoch; without a loader, with a fresh one that has to decode every image."""

    def run() -> None:
        trainer.model.train()
        load = loader or BatchLoader(faces)
        for batch in load(cut_batches(shuffled(len(faces), 0, 0), trainer.config.batch_size)):
            trainer.step(batch, 0, generator_for(0, "benchmark", 0))

    return run


def measure(runs: dict[str, Callable[[], None]]) -> dict[str, NDArray[np.float64]]:
    """Seconds of each run in each round."""
    seconds = np.empty((len(runs), ROUNDS + 1))
    for turn in range(ROUNDS + 1):
        for number, run in enumerate(runs.values()):
            start = time.perf_counter()
            run()
            seconds[number, turn] = time.perf_counter() - start
    return dict(zip(runs, seconds[:, 1:], strict=True))  # the first round warms up


def verdict(what: str, value: float, limit: float, at_least: bool, percent: bool = True) -> str:
    """One line: a ratio beside its limit."""
    met = "met" if (value >= limit) == at_least else "NOT met"
    unit, scale = ("%", 100) if percent else ("x", 1)
    bound = "at least" if at_least else "at most"
    return f"{what:<44}{scale * value:>8.2f} {unit}   {bound} {scale * limit:g} {unit}: {met}"


def main() -> None:
    """Print speeds and ratios."""
    backbone = sys.argv[1] if len(sys.argv) > 1 else "resnet18"
    config, exact = TrainConfig(), TrainConfig(precision="fp32")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # locks of the stores go here
        blobs = [blob for label in CENTRES for blob in many(label, IMAGES // len(CENTRES))]
        faces = FaceDataset(write_dataset(Path(folder), blobs, crop=256, encoding=".jpg"), "train", config.image_size)
        vanilla = make_trainer(backbone, faces, config)
        guided = make_trainer(backbone, faces, config, [GUIDANCE])
        kept = BatchLoader(faces)
        seconds = measure(
            {
                READY: ready_batch(vanilla, faces),
                VANILLA: epoch(vanilla, faces, kept),
                GUIDED: epoch(guided, faces, kept),
                DECODED: epoch(vanilla, faces, None),
                READY_FP32: ready_batch(make_trainer(backbone, faces, exact), faces),
            }
        )
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "opencv-python", "fer-au"))
    print(f"host: {cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {platform.system()}")
    print(f"versions: Python {platform.python_version()}, {packages}")
    print(
        f"{backbone}, {config.image_size} px, batch {config.batch_size}, {vanilla.precision} on {vanilla.device}, "
        f"{torch.get_num_threads()} torch and {worker_count()} loader threads, {IMAGES} images, {ROUNDS} rounds"
    )
    for name, values in seconds.items():
        print(f"{name:<44}{IMAGES / float(np.median(values)):>8.1f} images/s")

    def ratio(first: str, second: str) -> float:
        return float(np.median(seconds[first] / seconds[second]))

    print(verdict("epoch against ready batch, images kept", ratio(READY, VANILLA), EPOCH_SHARE, True))
    print(verdict("epoch against ready batch, images decoded", ratio(READY, DECODED), EPOCH_SHARE, True))
    print(verdict("cost of guidance", ratio(GUIDED, VANILLA) - 1, GUIDANCE_COST, False))
    if vanilla.precision != "fp32":
        print(verdict(f"{vanilla.precision} against fp32", ratio(READY_FP32, READY), BF16_GAIN, True, percent=False))


if __name__ == "__main__":
    main()

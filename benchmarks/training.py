"""Speed of training: ``python -m benchmarks.training [fp32|bf16|auto]`` from the repository's root.

Compares, in one run, whole epochs on made-up 256 px JPEG crops (decoding, joint augmentation, guidance) with bare
updates on one ready batch in memory. Rounds alternate and medians are printed, so that a busy machine moves all alike.
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
from torch.nn import functional

from benchmarks.heatmaps import processor
from fer_au.compute import worker_count
from fer_au.config.experiments import GuidanceConfig, ModelConfig, TrainConfig
from fer_au.models import create_model
from fer_au.training.data import FaceDataset
from fer_au.training.guidance import Guidance
from fer_au.training.loading import BatchLoader, cut_batches, shuffled
from fer_au.training.precision import autocast
from fer_au.training.preprocess import Preprocessing
from fer_au.training.seeds import generator_for
from fer_au.training.trainer import Trainer
from tests.training.blobs import CENTRES, many, write_dataset

IMAGES = 192
ROUNDS = 3
MODEL = ModelConfig(backbone="resnet10t", output_stride=8)
GUIDANCE = GuidanceConfig(weight=4.0)


def make_trainer(faces: FaceDataset, config: TrainConfig, guidance: Sequence[GuidanceConfig]) -> Trainer:
    """A fresh trainer, with guidance or without."""
    model = create_model(MODEL, faces.classes, seed=0)
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


def measure(runs: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Median images per second of each run, over rounds that alternate."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(ROUNDS + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if turn:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: IMAGES / float(np.median(values)) for name, values in seconds.items()}


def main() -> None:
    """Print the table."""
    config = TrainConfig.model_validate({"precision": sys.argv[1] if len(sys.argv) > 1 else "auto"})
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # locks of the stores go here
        blobs = [blob for label in CENTRES for blob in many(label, IMAGES // len(CENTRES))]
        faces = FaceDataset(write_dataset(Path(folder), blobs, crop=256, encoding=".jpg"), "train", config.image_size)
        vanilla, guided = make_trainer(faces, config, []), make_trainer(faces, config, [GUIDANCE])
        kept = BatchLoader(faces)
        speeds = measure(
            {
                "ready batch, vanilla": ready_batch(vanilla, faces),
                "epoch, vanilla, images kept": epoch(vanilla, faces, kept),
                "epoch, guided, images kept": epoch(guided, faces, kept),
                "epoch, guided, images decoded": epoch(guided, faces, None),
            }
        )
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "opencv-python", "fer-au"))
    print(f"host: {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {platform.system()}")
    print(f"versions: Python {platform.python_version()}, {packages}")
    print(
        f"{MODEL.backbone}, output stride {MODEL.output_stride}, {config.image_size} px, batch {config.batch_size}, "
        f"{guided.precision} on {guided.device}, {torch.get_num_threads()} torch and {worker_count()} loader threads, "
        f"{IMAGES} images of 256 px, median of {ROUNDS}"
    )
    ready, plain = speeds["ready batch, vanilla"], speeds["epoch, vanilla, images kept"]
    for name, speed in speeds.items():
        print(f"{name:<32}{speed:>8.1f} images/s{100 * speed / ready:>8.1f} % of the ready batch")
    print(f"guidance costs {100 * (plain / speeds['epoch, guided, images kept'] - 1):.1f} % of a vanilla epoch")


if __name__ == "__main__":
    main()

"""Measure the speed of training: ``python -m benchmarks.training [BACKBONE [BATCH_SIZE]]``.

Three ratios, each with its limit: whole epochs on made-up 256 px JPEG crops (decoding, joint augmentation, guidance)
against bare updates on one ready batch in memory; guided epochs against vanilla ones; and bare updates in the precision
that ``auto`` takes against float32. Short runs alternate, and a ratio is the median over rounds of what was measured in
one round, so that a busy machine moves both sides alike. Beside every speed stand the processors that were busy:
threads that wait for each other, or for the loader, show there. Threads wait as the stages' do; set ``OMP_WAIT_POLICY``
or ``GOMP_SPINCOUNT`` to compare.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from benchmarks.shared.blobs import CENTRES, many, write_dataset
from fer_au.batches.faces import FaceDataset
from fer_au.batches.loading import BatchLoader, cut_batches, shuffled
from fer_au.batches.precision import autocast
from fer_au.batches.preprocess import Preprocessing
from fer_au.batches.seeds import generator_for
from fer_au.compute import worker_count
from fer_au.config.experiments import GuidanceConfig, TrainConfig
from fer_au.config.model import ModelConfig
from fer_au.machine import cpu_name, instruction_set
from fer_au.models import create_model
from fer_au.speed import keep_freed_memory, set_waiting
from fer_au.training.guidance import Guidance
from fer_au.training.trainer import Trainer

IMAGES = 128
ROUNDS = 7
EPOCH_SHARE = 0.9  # of the images/s of a ready batch, at least
GUIDANCE_COST = 0.02  # of a vanilla epoch's time, at most
BF16_GAIN = 1.6  # times the images/s of float32, at least
GUIDANCE = GuidanceConfig(weight=4.0)
_WAITING = "_FER_AU_BENCHMARK_WAITING"
READY, READY_FP32 = "ready batch", "ready batch, float32"
VANILLA, GUIDED, DECODED = "epoch, images kept", "epoch, guided, images kept", "epoch, images decoded"


def make_trainer(
    backbone: str, faces: FaceDataset, config: TrainConfig, guidance: Sequence[GuidanceConfig] = ()
) -> Trainer:
    """Make a fresh trainer, with guidance or without."""
    model = create_model(ModelConfig(backbone=backbone), faces.classes, seed=0)
    return Trainer("benchmark", model, Guidance(guidance, model, faces, 0), config, 0, Preprocessing(config.image_size))


def ready_batch(trainer: Trainer, faces: FaceDataset) -> Callable[[], None]:
    """Run as many bare updates as an epoch has, all on one batch that is ready in memory."""
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
    """Run a real epoch; without a loader, a fresh one decodes every image."""

    def run() -> None:
        trainer.model.train()
        load = loader or BatchLoader(faces)
        for batch in load(cut_batches(shuffled(len(faces), 0, 0), trainer.config.batch_size)):
            trainer.step(batch, 0, generator_for(0, "benchmark", 0))

    return run


@dataclass
class Times:
    """Seconds of one run in each round: by the clock, and summed over processors."""

    wall: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    def add(self, run: Callable[[], None]) -> None:
        """Measure one round."""
        wall, busy = time.perf_counter(), time.process_time()
        run()
        self.wall.append(time.perf_counter() - wall)
        self.busy.append(time.process_time() - busy)

    def __str__(self) -> str:
        processors = np.median(np.divide(self.busy, self.wall))
        return f"{IMAGES / np.median(self.wall):>8.1f} images/s{processors:>6.2f} processors busy"

    def against(self, other: Times) -> float:
        """Give the speed as a multiple of another's."""
        return float(np.median(np.divide(other.wall, self.wall)))


def measure(runs: dict[str, Callable[[], None]]) -> dict[str, Times]:
    """Measure each run in each round."""
    for run in runs.values():  # warms up
        run()
    times = {name: Times() for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times[name].add(run)
    return times


def verdict(what: str, value: float, limit: float, at_least: bool, percent: bool = True) -> str:
    """Write a ratio beside its limit, in one line."""
    met = "met" if (value >= limit) == at_least else "NOT met"
    unit, scale = ("%", 100) if percent else ("x", 1)
    bound = "at least" if at_least else "at most"
    return f"{what:<44}{scale * value:>8.2f} {unit}   {bound} {scale * limit:g} {unit}: {met}"


def main() -> None:
    """Print speeds and ratios."""
    backbone, batch_size = (sys.argv[at] if len(sys.argv) > at else usual for at, usual in ((1, "resnet18"), (2, "64")))
    config, exact = (TrainConfig(batch_size=int(batch_size), precision=precision) for precision in ("auto", "fp32"))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # locks of the stores go here
        blobs = [blob for label in CENTRES for blob in many(label, IMAGES // len(CENTRES))]
        faces = FaceDataset(write_dataset(Path(folder), blobs, crop=256, encoding=".jpg"), "train", config.image_size)
        vanilla = make_trainer(backbone, faces, config)
        guided = make_trainer(backbone, faces, config, [GUIDANCE])
        kept = BatchLoader(faces)
        times = measure(
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
    waiting = {name: os.environ[name] for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT") if name in os.environ}
    print(f"instructions: {instruction_set()}; waiting: {waiting}")
    print(f"versions: Python {platform.python_version()}, {packages}")
    print(
        f"{backbone}, {config.image_size} px, batch {config.batch_size}, {vanilla.precision} on {vanilla.device}, "
        f"{torch.get_num_threads()} torch and {worker_count()} loader threads, {IMAGES} images, {ROUNDS} rounds"
    )
    for name, own in times.items():
        print(f"{name:<44}{own}")
    ready, kept_images = times[READY], times[VANILLA]
    print(verdict("epoch against ready batch, images kept", kept_images.against(ready), EPOCH_SHARE, True))
    print(verdict("epoch against ready batch, images decoded", times[DECODED].against(ready), EPOCH_SHARE, True))
    print(verdict("cost of guidance", kept_images.against(times[GUIDED]) - 1, GUIDANCE_COST, False))
    if vanilla.precision != "fp32":
        gain = ready.against(times[READY_FP32])
        print(verdict(f"{vanilla.precision} against fp32", gain, BF16_GAIN, True, percent=False))


if __name__ == "__main__":
    if _WAITING not in os.environ:  # torch is loaded, and OpenMP has read how its threads wait: begin anew
        set_waiting(os.environ)
        os.environ[_WAITING] = "set"
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.training", *sys.argv[1:]])
    keep_freed_memory(os.environ)
    main()

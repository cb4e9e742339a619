"""Estimate how long the trainings of each preset take on two cores: ``python -m benchmarks.presets [PRESET...]``.

A few updates of every network run on random pictures, with one thread; the processor time of that thread doesn't depend
on what else runs. Half of it is taken for the time on two cores, times the faces of the training set and the epochs.
Frozen layers and shares of the faces count as what they are. Reading pictures, guidance by class maps, selecting the
epoch and evaluating come on top.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional

from fer_au.batches.precision import autocast, resolve_precision
from fer_au.config.entries import merge
from fer_au.config.experiments import TrainConfig
from fer_au.config.model import ModelConfig
from fer_au.expressions import EXPRESSIONS
from fer_au.machine import cpu_name, instruction_set
from fer_au.models import create_model
from fer_au.models.freezing import phase_at, set_trainable
from fer_au.presets import expand, list_presets, load_preset
from fer_au.speed import keep_freed_memory

# Sizes of the published training sets; of KDEF's 4,900 pictures, a fold leaves a tenth out. `faces` is the set that
# docs/presets.md measures the recipes on.
FACES = {
    "affectnet": 283_901,
    "faces": 5_437,
    "fer2013": 28_709,
    "ferplus": 28_386,
    "kdef": 4_410,
    "rafdb": 12_271,
}
PICTURES = 8  # of a batch
UPDATES = 2  # that count, after one that doesn't
CORES = 2


def seconds_per_face(model: Mapping[str, Any], size: int, layers: int | None) -> float:
    """Measure the processor time of one face's part of an update.

    Args:
        model: ``model`` of an experiment; the values of its weights don't matter.
        size: Side of the input, pixels.
        layers: Number of the last layers that train with the head; None if all do.
    """
    config = ModelConfig.model_validate({**model, "weights": "none"})
    network = create_model(config, EXPRESSIONS[:7], seed=0).train()
    set_trainable(network, layers)
    device = torch.device("cpu")
    precision = resolve_precision("auto", device)
    faces = torch.rand(PICTURES, config.in_chans * network.views, size, size).contiguous(
        memory_format=torch.channels_last
    )
    labels = torch.arange(PICTURES) % len(network.classes)
    for update in range(1 + UPDATES):
        if update == 1:
            start = time.process_time()
        with autocast(device, precision):
            logits = network(faces, labels).logits
        functional.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
    return (time.process_time() - start) / (UPDATES * PICTURES)


def hours(name: str, known: dict[str, float]) -> tuple[int, float]:
    """Estimate all trainings of a preset.

    Args:
        name: Name of the preset.
        known: Measurements so far, which are added to.

    Returns:
        The number of trainings, and hours on two cores.
    """
    preset = load_preset(name)
    total = 0.0
    experiments = expand(name, preset).experiments
    for entry in experiments.values():
        train = TrainConfig.model_validate(merge(preset.train, entry.get("train", {})))
        for layers, epochs in Counter(phase_at(train.freeze, epoch) for epoch in range(train.epochs)).items():
            key = json.dumps([entry["model"], train.image_size, layers], sort_keys=True)
            if key not in known:
                known[key] = seconds_per_face(entry["model"], train.image_size, layers)
            total += known[key] * FACES[entry["dataset"]] * train.fraction * epochs / CORES / 3600
    return len(experiments), total


def main() -> None:
    """Measure and print."""
    keep_freed_memory(os.environ)  # as stages do
    torch.set_num_threads(1)
    known: dict[str, float] = {}
    print(f"{cpu_name()} with {instruction_set()}, torch {torch.__version__}")
    for name in sys.argv[1:] or list_presets():
        trainings, total = hours(name, known)
        print(f"{name:20} {trainings:3} trainings, {total:9.1f} h on {CORES} cores", flush=True)


if __name__ == "__main__":
    main()

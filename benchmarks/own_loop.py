"""Measure what guidance costs in anyone's loop: ``python -m benchmarks.own_loop``.

Steps of a network of torchvision, with and without ``AttentionGuidance``, take turns: a busy machine slows both.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from importlib.metadata import version

import torch
import torchvision
from torch.nn import functional

from fer_au.ibug68 import MEAN_FACE
from fer_au.machine import cpu_name, instruction_set
from fer_au.training import AttentionGuidance

CLASSES = ["happiness", "surprise", "fear", "anger", "disgust", "sadness"]


def main() -> None:
    """Print seconds per step, without and with guidance, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", default="resnet18", help="name in torchvision.models")
    parser.add_argument("--layers", nargs="+", default=["layer4"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=112, help="side of the pictures, pixels")
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    print(f"{cpu_name()}, {instruction_set()}, {torch.get_num_threads()} threads, Python {platform.python_version()}")
    versions = f"torch {torch.__version__}, torchvision {version('torchvision')}"
    print(f"{versions}, {given.network}, float32, batch {given.batch}, {given.size} px")
    torch.manual_seed(0)
    net = torchvision.models.get_model(given.network, num_classes=len(CLASSES))
    images = torch.rand(given.batch, 3, given.size, given.size)
    labels = torch.arange(given.batch) % len(CLASSES)
    points = torch.from_numpy((MEAN_FACE * 0.4 + [0.5, 0.35]) * given.size).float().repeat(given.batch, 1, 1)

    def step(guide: AttentionGuidance | None) -> float:
        start = time.perf_counter()
        loss = functional.cross_entropy(net(images), labels)
        if guide is not None:
            loss = loss + guide(labels=labels, points=points)
        net.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        return time.perf_counter() - start

    seconds: dict[bool, list[float]] = {False: [], True: []}
    for number in range(given.steps + 2):
        for guided in (False, True):
            guide = AttentionGuidance(net, given.layers, weight=4.0, classes=CLASSES) if guided else None
            taken = step(guide)
            if guide is not None:
                guide.remove()
            if number >= 2:
                seconds[guided].append(taken)
    plain, guided_ = (statistics.median(seconds[one]) for one in (False, True))
    print(f"step: {plain:.4f} s, guided {guided_:.4f} s, ratio {guided_ / plain:.3f} (medians of {given.steps})")


if __name__ == "__main__":
    main()

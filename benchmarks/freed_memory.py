"""Measure what keeping freed memory brings: images per second of processor time, forward and trained.

Each measurement has a process of its own. Run from the project's folder: ``python -m benchmarks.freed_memory``. Both
ways take turns, and the ratio is that of their medians.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
from importlib.metadata import version

from fer_au.machine import cpu_name, instruction_set
from fer_au.speed import keep_freed_memory

CASES = [("sface", 112, 16), ("sface", 112, 64), ("resnet10t", 112, 64), ("resnet18", 224, 32)]
IMAGES = 192
ROUNDS = 3


def measure(backbone: str, side: int, batch: int, keep: bool) -> None:
    """Print images per second of processor time, forward and trained, and the largest memory in MB."""
    if keep and not keep_freed_memory(os.environ):
        raise SystemExit("the setting can't be made here: not glibc, or MALLOC_... is set")
    import torch

    from fer_au.models import create_model

    torch.set_num_threads(1)
    config = {"backbone": backbone, "head": "gap", "weights": "none"}
    model = create_model(config, ["neutral", "happiness"], seed=0).to(memory_format=torch.channels_last)
    images = torch.randn(batch, 3, side, side).contiguous(memory_format=torch.channels_last)

    def trained() -> None:
        model.zero_grad()
        model(images).logits.square().mean().backward()

    def forward() -> None:
        with torch.inference_mode():
            model(images)

    rates = []
    for mode, step in ((False, forward), (True, trained)):
        model.train(mode)
        step()
        before = _processor_seconds()
        for _ in range(max(IMAGES // batch, 2)):
            step()
        rates.append(max(IMAGES // batch, 2) * batch / (_processor_seconds() - before))
    print(*rates, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print the table."""
    print(f"host: {cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {instruction_set()}, fp32")
    print(f"versions: Python {platform.python_version()}, torch {version('torch')}, {' '.join(platform.libc_ver())}")
    print("images per second of processor time, one thread: given back, kept, ratio; largest memory")
    for case in CASES:
        found: dict[str, list[list[float]]] = {"given back": [], "kept": []}
        for _ in range(ROUNDS):
            for way, rows in found.items():
                words = [sys.executable, "-m", "benchmarks.freed_memory", *map(str, case), way]
                answer = subprocess.run(words, capture_output=True, text=True, check=True).stdout
                rows.append([float(word) for word in answer.split()])
        back, kept = ([statistics.median(column) for column in zip(*rows, strict=True)] for rows in found.values())
        name = f"{case[0]}, {case[1]} px, batch {case[2]}"
        for at, what in enumerate(("forward", "trained")):
            print(f"{name:<30} {what}: {back[at]:7.1f} {kept[at]:7.1f}  {kept[at] / back[at]:.2f}")
        print(f"{name:<30} memory: {back[2]:6.0f} MB {kept[2]:6.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "kept")
    else:
        main()

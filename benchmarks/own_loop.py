"""Measure what guidance costs in anyone's loop: ``python -m benchmarks.own_loop``.

Three loops as docs/own-loop.md shows them: plain torch, the way of timm's training script, and the Trainer of Hugging
Face's transformers. Steps with and without ``AttentionGuidance`` take turns: a busy machine slows both.
"""

from __future__ import annotations

import argparse
import platform
import re
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import timm.optim
import timm.utils
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fer_au.ibug68 import MEAN_FACE
from fer_au.machine import cpu_name, instruction_set
from fer_au.training import AttentionGuidance

CLASSES = ["happiness", "surprise", "fear", "anger", "disgust", "sadness"]
PAGE = Path(__file__).parents[1] / "docs" / "own-loop.md"
_WARM_UP = 2

Batch = dict[str, Tensor]
Step = Callable[[Batch, AttentionGuidance | None], None]


def _loss(net: nn.Module, batch: Batch, guide: AttentionGuidance | None) -> Tensor:
    """Compute the loss of a batch, with guidance where there is one."""
    loss = cross_entropy(net(batch["image"]), batch["labels"])
    return loss if guide is None else loss + guide(labels=batch["labels"], points=batch["points"])


def torch_loop(net: nn.Module) -> Step:
    """Make the step of a plain loop."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001)

    def step(batch: Batch, guide: AttentionGuidance | None) -> None:
        optimizer.zero_grad()
        _loss(net, batch, guide).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def timm_loop(net: nn.Module) -> Step:
    """Make the step of a loop with timm's optimiser, scaler and average of weights."""
    optimizer = timm.optim.create_optimizer_v2(net, opt="adamw", lr=0.0001, weight_decay=0.05)
    scaler, average = timm.utils.NativeScaler(device="cpu"), timm.utils.ModelEmaV3(net, decay=0.99)

    def step(batch: Batch, guide: AttentionGuidance | None) -> None:
        loss = _loss(net, batch, guide)
        optimizer.zero_grad()
        scaler(loss, optimizer, clip_grad=5.0, parameters=net.parameters())
        average.update(net)

    return step


def trainer_loop(net: nn.Module) -> Step:
    """Make the step of transformers' Trainer, whose loss is a method of its own."""
    from transformers import Trainer, TrainingArguments

    current: list[AttentionGuidance | None] = [None]

    class Guided(Trainer):
        def compute_loss(self, model: nn.Module, inputs: Batch, *_: object, **__: object) -> Tensor:
            return _loss(model, inputs, current[0])

    # The folder is for checkpoints, which are written by `train` alone.
    settings = TrainingArguments("runs", remove_unused_columns=False, report_to="none", use_cpu=True)
    trainer = Guided(net, settings)
    trainer.current_gradient_accumulation_steps = 1  # as `train` sets it before its steps
    optimizer = trainer.create_optimizer()

    def step(batch: Batch, guide: AttentionGuidance | None) -> None:
        current[0] = guide
        trainer.training_step(net, dict(batch))
        optimizer.step()
        net.zero_grad()

    return step


LOOPS: dict[str, Callable[[nn.Module], Step]] = {"torch": torch_loop, "timm": timm_loop, "transformers": trainer_loop}


def count_lines() -> dict[str, int]:
    """Count the lines of each loop's example in docs/own-loop.md, blank ones left out."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    marks = {"torch": "torch.optim.SGD", "timm": "NativeScaler", "transformers": "GuidedTrainer"}
    texts = {name: next(text for text in blocks if mark in text) for name, mark in marks.items()}
    return {name: sum(bool(line.strip()) for line in text.splitlines()) for name, text in texts.items()}


def measure(step: Step, net: nn.Module, batch: Batch, layers: list[str], steps: int) -> tuple[float, float]:
    """Take turns without and with guidance; returns the medians of seconds per step."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for number in range(steps + _WARM_UP):
        for guided in (False, True):
            guide = AttentionGuidance(net, layers, weight=4.0, classes=CLASSES) if guided else None
            start = time.perf_counter()
            step(batch, guide)
            taken = time.perf_counter() - start
            if guide is not None:
                guide.remove()
            if number >= _WARM_UP:
                seconds[guided].append(taken)
    return statistics.median(seconds[False]), statistics.median(seconds[True])


def main() -> None:
    """Print lines and seconds per step of each loop, without and with guidance, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", default="resnet18", help="name in torchvision.models")
    parser.add_argument("--layers", nargs="+", default=["layer4"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=112, help="side of the pictures, pixels")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--loops", nargs="+", choices=list(LOOPS), default=list(LOOPS))
    given = parser.parse_args()
    print(f"{cpu_name()}, {instruction_set()}, {torch.get_num_threads()} threads, Python {platform.python_version()}")
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "timm"))
    versions += f", transformers {version('transformers')}" if "transformers" in given.loops else ""
    print(f"{versions}, {given.network}, float32, batch {given.batch}, {given.size} px, medians of {given.steps} steps")
    torch.manual_seed(0)
    batch = {
        "image": torch.rand(given.batch, 3, given.size, given.size),
        "labels": torch.arange(given.batch) % len(CLASSES),
        "points": torch.from_numpy((MEAN_FACE * 0.4 + [0.5, 0.35]) * given.size).float().repeat(given.batch, 1, 1),
    }
    lines = count_lines()
    for name in given.loops:
        net = torchvision.models.get_model(given.network, num_classes=len(CLASSES))
        plain, guided = measure(LOOPS[name](net), net, batch, given.layers, given.steps)
        print(
            f"{name:<14}{lines[name]:>3} lines  step {plain:.4f} s, guided {guided:.4f} s, ratio {guided / plain:.3f}"
        )


if __name__ == "__main__":
    main()

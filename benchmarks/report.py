"""Measure the report's page: size, time to write, time until a browser has it ready: ``python -m benchmarks.report``.

Data, models and evaluations are made up: noise for pictures, random faces for landmarks, random maps on the grids of
the demo's network, and as many scores of each image as an evaluation keeps. Noise compresses worse than any photograph,
so that the sizes are an upper end. The page is written in a process of its own. It is opened in chromium if playwright
and the browser are there; "CPU" is the time of the page's main thread, which other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluate import CLASSES, make_data, make_model, measured
from benchmarks.shared.browser import find_chromium, start_chromium
from fer_au.evaluation import write_metrics
from fer_au.evaluation.traits import trait_columns
from fer_au.machine import cpu_name
from fer_au.models.config_file import read_config
from fer_au.report import write_report
from fer_au.stores import Store, write_store
from fer_au.stores.columns import encode_ids

CASES = ((500, 2, 500), (500, 6, 500), (3000, 2, 500))
LAYERS = {"1": 48, "2": 24, "3": 12, "4": 12, "5": 12}
CAMS = ("gradcam", "layercam", "native")
REGIONS = ("background", "brows", "eyes", "face", "mouth", "nose")
LIMITS = "targets for 500 images x 2 experiments: 15 MB, ready in 2 s; for 3,000 test images: written in 60 s"


def score_names() -> list[str]:
    """Name the scores of single images that an evaluation with all maps keeps."""
    kinds = ("auc", "ccos", "class_auc", "class_rank", "cos")
    names = [f"att_{kind}" for kind in (*kinds, "ccos_moved", "cos_moved", "specificity")]
    names += [f"layer.{layer}.att_{kind}" for layer in LAYERS for kind in kinds]
    names += [f"cam_{kind}.{cam}" for cam in CAMS for kind in kinds]
    names += [f"cam_region.{region}.{cam}" for cam in CAMS for region in REGIONS]
    return [*names, *(f"region.{region}" for region in REGIONS), "faithfulness.deletion", "faithfulness.insertion"]


def make_evaluation(name: str, seed: int) -> None:
    """Write the made-up evaluation of an experiment in the current folder."""
    rng = np.random.default_rng(seed)
    heatmaps = Store.open(Path("data/made/heatmaps.h5"), "heatmaps")
    ids = [id_ for id_ in heatmaps.ids if id_.startswith("test/")]
    n, rows = len(ids), slice(heatmaps.index[ids[0]], heatmaps.index[ids[-1]] + 1)
    labels = [CLASSES[row % len(CLASSES)] for row in range(n)]
    truth = np.arange(n) % len(CLASSES)
    probabilities = rng.dirichlet(np.ones(len(CLASSES)), n) + 0.7 * np.eye(len(CLASSES))[truth]
    grids = {f"attention/{layer}": side for layer, side in LAYERS.items()} | {f"cam/{cam}": 12 for cam in CAMS}
    traits: dict[str, NDArray[Any]] = {"yaw": rng.normal(0, 20, n).astype(np.float32)}
    traits |= {"pitch": rng.normal(0, 10, n).astype(np.float32), "size": rng.uniform(15, 200, n).astype(np.float32)}
    columns: dict[str, NDArray[Any]] = {
        "id": encode_ids(ids),
        "label": encode_ids(labels),
        "probabilities": (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32),
        "target": np.asarray(heatmaps["map"])[rows],
        "target_valid": np.asarray(heatmaps["valid"])[rows],
        **{key: rng.random((n, side, side), np.float32).astype(np.float16) for key, side in grids.items()},
        **{f"score/{key}": rng.random(n, np.float32) for key in score_names()},
        **trait_columns(traits),
    }
    attributes = {"classes": ",".join(CLASSES)}
    write_store(Path(f"evaluation/{name}.h5"), "evaluation", columns, fingerprint="e", attributes=attributes)
    scores = {"accuracy": 0.5, "att_cos": 0.5, "att_ccos": 0.3, "n": n, "n_cos": n, "seed": seed}
    model = read_config(Path("models") / name)["weights_sha256"]
    write_metrics(Path(f"metrics/{name}.json"), scores, model=model)


def make_project(images: int, experiments: int) -> None:
    """Write a finished project into the current folder."""
    make_data(Path("data/made"), images)
    entries = {}
    for seed in range(experiments):
        name = f"made-{seed}"
        make_model(Path("models") / name)
        make_evaluation(name, seed)
        guidance = [{"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 4.0}] if seed else []
        model = {"backbone": "test_resnet", "output_stride": 8}
        entries[name] = {"dataset": "made", "base": "none", "model": model, "guidance": guidance}
    datasets = {"made": {"adapter": "folder", "root": "data"}}
    Path("params.yaml").write_text(json.dumps({"datasets": datasets, "experiments": entries}))


def write() -> None:
    """Write the page of the current folder, with as many images as ``SHOWN`` says."""
    write_report(Path("params.yaml"), Path(), Path("report/index.html"), int(os.environ["SHOWN"]))


def ready(page: Path) -> tuple[float, float]:
    """Open a page: seconds until its script is done, and CPU seconds of the page's main thread; NaN without browser."""
    browser = find_chromium()
    if browser is None or find_spec("playwright") is None:
        return float("nan"), float("nan")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = start_chromium(playwright, browser)
        opened = started.new_page()
        counters = opened.context.new_cdp_session(opened)
        counters.send("Performance.enable", {"timeDomain": "threadTicks"})
        opened.goto(page.absolute().as_uri())
        wall = opened.evaluate("performance.getEntriesByName('ready')[0].startTime") / 1000
        metrics = {one["name"]: one["value"] for one in counters.send("Performance.getMetrics")["metrics"]}
        started.close()
    return wall, metrics["TaskDuration"]


def main() -> None:
    """Make the projects, measure, and print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(f"host: {cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {platform.system()}")
    print(
        "versions: " + ", ".join(f"{name} {version(name)}" for name in ("numpy", "opencv-python", "jinja2", "fer-au"))
    )
    heads = ("test images", "experiments", "shown", "write, s", "peak, MB", "page, MB", "ready, s", "CPU, s")
    print("".join(f"{head:>13}" for head in heads))
    for images, experiments, shown in CASES:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["SHOWN"] = str(shown)
            os.chdir(folder)
            make_project(images, experiments)
            cost = measured(write)
            page = Path("report/index.html")
            wall, cpu = ready(page)
            size = page.stat().st_size / 1e6
            cells = (f"{cost.seconds:.1f}", f"{cost.peak:.0f}", f"{size:.2f}", f"{wall:.2f}", f"{cpu:.2f}")
            print("".join(f"{cell:>13}" for cell in (images, experiments, shown, *cells)), flush=True)
            os.chdir("/")
    print(LIMITS)


if __name__ == "__main__":
    main()

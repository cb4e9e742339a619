"""Measure the look at params.yaml that begins every run: seconds of ``fer-au check-params`` for many experiments.

    python -m benchmarks.check_params
    python -m benchmarks.check_params --experiments 200

The demo's params.yaml with as many experiments, of networks and heads of several kinds. The first look at a network
that is not of a plain kind, or at a part's options, imports torch and builds it; the answers are kept in the project.
Figures are wall times from the start of Python to its end, and the user and system time of the process: the minimum of
some runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from benchmarks.reruns import LABELS
from benchmarks.shared.commands import ROOT, timed
from fer_au.machine import cpu_name

_PLAIN = ({"backbone": "test_resnet", "output_stride": 8}, {"backbone": "resnet18"}, {"backbone": "mobilenetv2_100"})
KINDS: dict[str, tuple[dict[str, Any], ...]] = {
    "common networks": _PLAIN,
    "with options": (
        {"backbone": "test_resnet", "head": "wildcat", "head_options": {"kmax": 0.5}},
        {"backbone": "resnet18", "head": "mlp", "head_options": {"hidden": [64]}},
        {"backbone": "resnet18", "backbone_options": {"drop_path_rate": 0.1}},
    ),
    "other networks": ({"backbone": "test_vit"}, {"backbone": "gimefive-10"}, {"backbone": "convnext_atto"}),
}
"""Models that the experiments have in turn."""


def main() -> None:
    """Check made-up params files, at first and again."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--experiments", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("pydantic", "torch", "timm"))
    print(f"{cpu_name()}, {os.cpu_count()} processors, Python {platform.python_version()}, {versions}")
    for kind, models in KINDS.items():
        with tempfile.TemporaryDirectory() as name:
            project = Path(name)
            _build(project, models, options.experiments)
            for moment in ("at first", "again"):
                times = []
                for _ in range(options.runs):
                    if moment == "at first":
                        shutil.rmtree(project / ".fer_au", ignore_errors=True)
                    times.append(timed(project, sys.executable, "-m", "fer_au", "check-params"))
                cpu, wall = min(one.cpu for one in times), min(one.wall for one in times)
                print(f"{options.experiments} experiments, {kind}, {moment}: {wall:.2f} s, {cpu:.2f} CPU s")


def _build(project: Path, models: tuple[dict[str, Any], ...], count: int) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    guided = params["experiments"]["au"]
    params["experiments"] = {
        f"run-{number:02d}": {**guided, "model": models[number % len(models)], "seed": number}
        for number in range(count)
    }
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    labels = project / "data/demo/raw/labels.csv"
    labels.parent.mkdir(parents=True)
    labels.write_text(LABELS)


if __name__ == "__main__":
    main()

"""Measure DVC with many experiments: lines of dvc.yaml and dvc.lock, processor time when there is nothing to do.

    python -m benchmarks.reruns                         # 50 experiments on the demo set
    python -m benchmarks.reruns --experiments 2         # the demo as it is delivered
    python -m benchmarks.reruns --tree ../before        # another checkout of the project, for a comparison

Nothing is computed: the outputs are small made-up files, which ``dvc commit`` records. Figures are the user and system
time of ``dvc repro`` and of the processes that it starts: the minimum of a few runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from benchmarks.shared.commands import ROOT, timed
from fer_au.machine import cpu_name

# Read by the check of params.yaml, which wants two classes to train on.
LABELS = "path,label,subject,split\na.jpg,fear,p1,train\nb.jpg,anger,p1,train\nc.jpg,fear,p2,test\n"
COPIED = ("fer_au", "stages", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", "pyproject.toml", "data", "models")


def main() -> None:
    """Build the project, commit made-up outputs, and measure runs that have nothing to do."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--experiments", type=int, default=50)
    parser.add_argument("--tree", type=Path, default=ROOT)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(
        f"{cpu_name()}, {os.cpu_count()} processors, Python {platform.python_version()}, dvc {version('dvc')}, "
        f"ruamel.yaml.clib {_installed('ruamel.yaml.clib')}"
    )
    with tempfile.TemporaryDirectory() as name:
        project = Path(name) / "project"
        _build(project, options.tree.resolve(), options.experiments)
        for file in ("dvc.yaml", "dvc.lock"):
            path = project / file
            print(f"{file}: {len(path.read_text().splitlines())} lines, {path.stat().st_size / 1e3:.0f} kB")
        times = [timed(project, "dvc", "repro", "-q", tree=project) for _ in range(options.runs)]
        cpu, wall = min(one.cpu for one in times), min(one.wall for one in times)
        print(f"dvc repro, nothing to do: {cpu:.2f} CPU s, {wall:.2f} s")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _build(project: Path, tree: Path, count: int) -> None:
    project.mkdir()
    for name in COPIED:
        source = tree / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "raw", "*.h5", "manifest.csv", "rejects", "*.safetensors")
            shutil.copytree(source, project / name, ignore=ignored)
        else:
            shutil.copy(source, project / name)
    params = yaml.safe_load((project / "params.yaml").read_text())
    kinds = list(params["experiments"].values())
    params["experiments"] = {f"run-{number:02d}": {**kinds[number % 2], "seed": number} for number in range(count)}
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    timed(project, "git", "init", "-q", tree=project)
    timed(project, "dvc", "init", "-q", "-f", tree=project)
    timed(project, "dvc", "config", "core.analytics", "false", tree=project)
    if (project / "stages/stamp.py").exists():
        timed(project, sys.executable, "stages/stamp.py", tree=project)
    for line in _made_up(params):
        path = project / line
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LABELS if path.name == "labels.csv" else f"{line}\n")
    (project / "benchmarks/results").mkdir(parents=True, exist_ok=True)
    (project / "benchmarks/results/README.md").write_text("none\n")
    timed(project, "dvc", "commit", "-f", "-q", tree=project)


def _made_up(params: dict[str, dict[str, object]]) -> list[str]:
    names = ["data/demo/raw/labels.csv", "report/index.html"]
    names += [
        f"data/demo/{name}" for name in ("manifest.csv", "annotations.h5", "faces.h5", "landmarks.h5", "heatmaps.h5")
    ]
    names += [f"data/demo/rejects/{stage}.csv" for stage in ("ingest", "align", "landmarks")]
    for name in params["experiments"]:
        names += [f"models/{name}/model.safetensors", f"evaluation/{name}.h5"]
        names += [f"metrics/{name}.json", f"metrics/detail/{name}.json"]
    return names


if __name__ == "__main__":
    main()

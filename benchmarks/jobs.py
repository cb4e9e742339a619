"""Measure experiments side by side: ``python -m benchmarks.jobs [--experiments 8] [--jobs 2]``.

A project of rendered faces, as ``fer-au init`` makes it, has so many experiments that differ in their seeds. Its faces
are prepared once, and the folder is copied. In one copy ``dvc repro`` runs the experiments one after the other. In the
other, ``fer-au run --jobs`` is killed (SIGKILL, with all that it started) a third of that time after its start, and the
same command goes on. Models must be the same bytes and metrics the same values, apart from speeds; both are compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.shared.commands import ROOT, environment, timed
from fer_au.machine import cpu_name, instruction_set
from fer_au.scaffold.init import init_project

SEAL = "sha256"
SPEEDS = ("per_second", "seconds")
SMALL: dict[str, Any] = {
    "render": {"demo": {"identities": 20, "images": 14, "size": 128, "test_fraction": 0.25, "seed": 0}},
    "align": {"size": 96},
    "train": {"epochs": 12, "batch_size": 16, "image_size": 64},
    "evaluate": {"cams": ["native"], "faithfulness_images": 0, "moved": False, "attention_layers": ["last"]},
}


def main() -> None:
    """Run the experiments both ways, and compare times and results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--experiments", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    print(
        f"{cpu_name()} ({instruction_set()}), {os.cpu_count()} processors, Python {platform.python_version()}, "
        f"dvc {version('dvc')}, torch {version('torch')}"
    )
    with tempfile.TemporaryDirectory() as name:
        one, side = Path(name) / "one", Path(name) / "side"
        names = make_project(one, options.experiments)
        shutil.copytree(one, side, symlinks=True)
        stages = [f"evaluate@{each}" for each in names]
        after_another = timed(one, "dvc", "repro", "-q", *stages, settings=settings(one)).wall
        killed = killed_after(side, after_another / 3, options.jobs)
        again = ("fer-au", "run", "--jobs", str(options.jobs), "--experiments", ",".join(names))
        rest = timed(side, *again, settings=settings(side)).wall
        print(f"{options.experiments} experiments by dvc repro, one after the other: {after_another:.0f} s")
        print(
            f"fer-au run --jobs {options.jobs}: killed after {killed:.0f} s, and the same command again: {rest:.0f} s"
        )
        print(f"ratio, the killed run included: {after_another / (killed + rest):.2f}")
        different = [each for each in names if outcome(one, each) != outcome(side, each)]
        print("results: the same" if not different else f"results differ: {', '.join(different)}")
        if different:
            raise SystemExit(1)


def make_project(folder: Path, count: int) -> list[str]:
    """Make a project of a few rendered faces, prepare them, and name experiments of several seeds.

    Returns:
        Names of the experiments.
    """
    init_project(folder)
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section, keys in SMALL.items():
        params[section] = {**params[section], **keys}
    kinds = list(params["experiments"].values())
    params["experiments"] = {f"run-{number}": {**kinds[number % 2], "seed": number // 2} for number in range(count)}
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    timed(folder, "dvc", "repro", "-q", "heatmaps@demo", settings=settings(folder))
    return list(params["experiments"])


def killed_after(folder: Path, seconds: float, jobs: int) -> float:
    """Start ``fer-au run`` and kill it with all that it started; give the time that it had, in seconds."""
    command = ("fer-au", "run", "--jobs", str(jobs))
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(ROOT, settings(folder)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as run:
        try:
            run.wait(seconds)
        except subprocess.TimeoutExpired:
            leader = psutil.Process(run.pid)
            killed = [leader, *leader.children(recursive=True)]
            for process in killed:
                process.kill()
            psutil.wait_procs(killed)  # DVC takes a lock's owner for alive until the system has forgotten it
    return time.perf_counter() - start


def outcome(folder: Path, name: str) -> tuple[str, dict[str, object]]:
    """Give the hash of a model, and its metrics without speeds and the seals of files that hold speeds."""
    digest = hashlib.sha256((folder / f"models/{name}/model.safetensors").read_bytes()).hexdigest()
    metrics: dict[str, object] = {}
    for file in (f"metrics/{name}.json", f"metrics/detail/{name}.json"):
        metrics |= json.loads((folder / file).read_text(encoding="utf-8"))
    kept = {key: value for key, value in metrics.items() if not key.endswith(SPEEDS) and not key.startswith(SEAL)}
    return digest, kept


def settings(folder: Path) -> dict[str, str]:
    """Name the settings of a project's commands: one thread each, and a cache of the project's own."""
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # results are the same for one number of threads
    return {**one_thread, "FER_AU_CACHE": str(folder.with_suffix(".cache"))}


if __name__ == "__main__":
    main()

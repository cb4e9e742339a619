"""Measure how soon each stage and ``fer-au`` say something, on a tiny data set, and what they import until then.

    python -m benchmarks.startup
    python -m benchmarks.startup --tree ../before     # another checkout of the project, for a comparison

A stage computes everything anew each time: 56 faces, two epochs, an evaluation of 14 images. *first line* is the time
from the start of the process to its first line on stderr, *CPU* the time of all its processes on the processors, which
other programs disturb less; both are minima of a few runs. *imports* is the sum of what ``python -X importtime`` tells,
and then come the largest packages with the time that they and all that they load take.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.shared.tiny import COMMANDS, STAGES, TinyProject, words
from fer_au.machine import cpu_name

ROOT = Path(__file__).parents[1]
_IMPORT = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \| (\s*)(\S+)")
_SHOWN = 0.15  # seconds above which a package is named


@dataclass(frozen=True)
class Timed:
    """Seconds of one run.

    Attributes:
        first: From the start to the first line on stderr, or to the end of a run that says nothing.
        whole: From the start to the end.
        cpu: User and system time of the process and its children.
    """

    first: float
    whole: float
    cpu: float


def main() -> None:
    """Prepare the project, run every command a few times, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tree", type=Path, default=ROOT)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(
        f"{cpu_name()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )
    print(f"{'':18}  first line   whole     CPU   imports")
    with tempfile.TemporaryDirectory() as name:
        project = TinyProject(Path(name) / "project", options.tree.resolve())
        with suppress(RuntimeError):  # DVC stamps before all stages, and they go on with what it parsed
            project.run("stages/stamp.py")
        for stage in (*STAGES, *COMMANDS):
            command = COMMANDS.get(stage) or words(stage)
            runs = [timed(project, command) for _ in range(options.runs)]
            first, whole, cpu = (min(getattr(run, key) for run in runs) for key in ("first", "whole", "cpu"))
            imports, packages = imported(project, command)
            print(f"{stage:18} {first:9.2f} s {whole:5.2f} s {cpu:5.2f} s {imports:7.2f} s  {packages}", flush=True)
            if stage in STAGES:
                project.run(*words(stage))


def timed(project: TinyProject, command: list[str]) -> Timed:
    """Time one run of a command in a copy of the project."""
    twin = project.copy(project.folder.with_name("twin"))
    start = time.perf_counter()
    process = twin.start(*command)
    assert process.stderr is not None
    process.stderr.readline()
    first = time.perf_counter() - start
    process.stderr.read()
    _, code, usage = os.wait4(process.pid, 0)
    whole = time.perf_counter() - start
    process.returncode = code
    process.stderr.close()
    shutil.rmtree(twin.folder)
    if code:
        raise RuntimeError(f"{' '.join(command)}: status {code}")
    return Timed(first, whole, usage.ru_utime + usage.ru_stime)


def imported(project: TinyProject, command: list[str]) -> tuple[float, str]:
    """Give the seconds of all imports of a command, and the largest packages with their own."""
    twin = project.copy(project.folder.with_name("twin"))
    said = twin.run("-X", "importtime", *command)
    shutil.rmtree(twin.folder)
    total, packages = 0.0, {}
    for own, cumulative, _, name in _IMPORT.findall(said):
        total += int(own) / 1e6
        if "." not in name or name in ("torch._dynamo", "torchvision.ops"):
            packages[name] = int(cumulative) / 1e6
    large = sorted((seconds, name) for name, seconds in packages.items() if seconds > _SHOWN and name != "fer_au")
    return total, ", ".join(f"{name} {seconds:.2f}" for seconds, name in reversed(large))


if __name__ == "__main__":
    main()

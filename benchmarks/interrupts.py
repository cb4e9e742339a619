"""Press Ctrl-C at every moment of every stage and of ``fer-au``, and count how they end.

    python -m benchmarks.interrupts                     # every 0.05 s of the first 3 s
    python -m benchmarks.interrupts --stages train --step 0.01 --until 1
    python -m benchmarks.interrupts --tree ../before    # another checkout of the project, for a comparison

All processes of a command get the signal, as from a terminal. A good end is exit code 130 with one line about it, or,
where the command was faster, exit code 0; a trace, another code and silence are bad ends. In the first hundredths of a
second, Python itself starts, and no program can answer for it. Each moment starts from the same files, so that a stage
has its work to do.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks.shared.tiny import COMMANDS, STAGES, TinyProject, words
from fer_au.machine import cpu_name

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Prepare the project, interrupt every command at every moment, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tree", type=Path, default=ROOT)
    parser.add_argument("--stages", nargs="*", default=[*STAGES, *COMMANDS])
    parser.add_argument("--step", type=float, default=0.05)
    parser.add_argument("--until", type=float, default=3.0)
    options = parser.parse_args()
    print(f"{cpu_name()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as name:
        project = TinyProject(Path(name) / "project", options.tree.resolve())
        for stage in (*STAGES, *COMMANDS):
            if stage in options.stages:
                moments = np.arange(0, options.until, options.step)
                ends = Counter(interrupted(project, stage, float(moment)) for moment in moments)
                print(f"{stage:18} {', '.join(f'{count} x {end}' for end, count in sorted(ends.items()))}", flush=True)
            if stage in STAGES:
                project.run(*words(stage))


def interrupted(project: TinyProject, stage: str, moment: float) -> str:
    """Interrupt a command some seconds after its start, in a copy of the project; how it ended, in words."""
    twin = project.copy(project.folder.with_name("twin"))
    try:
        process = twin.start(*COMMANDS.get(stage) or words(stage))
        time.sleep(moment)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            said = process.communicate(timeout=60)[1].decode()
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return "goes on for a minute"
    finally:
        shutil.rmtree(twin.folder)
    return in_words(process.returncode, said)


def in_words(code: int, said: str) -> str:
    """Say how a command ended."""
    lines = [line for line in said.splitlines() if line.startswith("interrupted: ")]
    if code == -signal.SIGINT and not said:
        return "ended before Python had started"
    if "init_import_site" in said:
        return "trace of Python's own start"
    if "Traceback" in said or "Exception ignored" in said:
        return f"exit {code} with a trace"
    if code == 0 and not lines:
        return "done before"
    if code == 130 and len(lines) == 1:
        return "one line"
    return f"exit {code} with {len(lines)} lines"


if __name__ == "__main__":
    main()

"""Commands in a project's folder, with the programs of this Python and the package of a checkout, run and timed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
"""The checkout that this file belongs to."""

_TOLD = 2000  # characters of what a failed command said last


class Times(NamedTuple):
    """Seconds that a command took: user and system time of it and of the processes that it starts, and wall time."""

    cpu: float
    wall: float


def environment(tree: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Name the environment of a command.

    Args:
        tree: Checkout whose package the command runs.
        settings: Further variables.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(tree), **settings}


def timed(project: Path, *command: str, tree: Path = ROOT, settings: Mapping[str, str] | None = None) -> Times:
    """Run a command in a project's folder to its end, and time it.

    Args:
        project: Working directory.
        command: The command.
        tree: Checkout whose package it runs.
        settings: Further variables of its environment; default none.

    Raises:
        SystemExit: The command failed.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    own = environment(tree, settings or {})
    done = subprocess.run(command, cwd=project, env=own, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {(done.stderr or done.stdout)[-_TOLD:]}")
    return Times(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)

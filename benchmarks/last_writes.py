"""Stop a training and an evaluation at many moments around their end, and see what the next run does again.

    python -m benchmarks.last_writes                    # 200 moments: Ctrl-C, SIGTERM and SIGKILL in turn
    python -m benchmarks.last_writes --moments 30

A moment lies between the line of the training's last epoch and its end, or anywhere in an evaluation; Ctrl-C goes to
all processes of the run. Then the outputs are deleted, as DVC does, and the stage runs again. It may train no epoch
whose line was written before; an evaluation that is not complete is made anew. Stages are forked from one process that
has imported them: of their seconds, most are imports otherwise. Leave the code alone meanwhile: an edit is another
training. A test stops them at every single write (tests/reliability/test_last_writes.py).
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import runpy
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from benchmarks.shared.tiny import EPOCHS, STAGES, TinyProject, words
from fer_au.machine import cpu_name

ROOT = Path(__file__).parents[1]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
EPOCH = re.compile(r"^au (\d+)/\d+: .*\n", re.MULTILINE)
OUTPUTS = {"train": ("models/au",), "evaluate": ("metrics", "evaluation")}


class Run:
    """A stage in a process of its own, forked from this one.

    Args:
        project: Folder to run in.
        stage: Name of the stage.
    """

    def __init__(self, project: TinyProject, stage: str) -> None:
        self._path = project.folder / "said.txt"
        self._path.write_bytes(b"")
        self._start = time.monotonic()
        self._end: int | None = None
        self._process = os.fork()
        if not self._process:
            self._become(project, stage)

    def _become(self, project: TinyProject, stage: str) -> None:
        """Be the stage, as ``python stages/STAGE.py`` is it."""
        os.setsid()
        os.chdir(project.folder)
        os.environ["FER_AU_CACHE"] = str(project.folder / "cache")
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv[:] = words(stage)
        code = 1
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            os._exit(code)  # not up into the code of the process that this one was forked from

    @property
    def said(self) -> str:
        """What it has written to stderr."""
        return self._path.read_text()

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._start

    def ended(self) -> bool:
        """Look whether it has ended."""
        if self._end is None and os.waitpid(self._process, os.WNOHANG)[0]:
            self._end = 0
        return self._end is not None

    def wait(self, ready: Callable[[], bool] = lambda: False) -> None:
        """Wait for something, or for the end."""
        while not self.ended() and not ready():
            time.sleep(0.001)

    def send(self, number: int) -> bool:
        """Send a signal to it, Ctrl-C to its whole group; tells whether it still ran."""
        if self.ended():
            return False
        with suppress(ProcessLookupError):
            (os.killpg if number == signal.SIGINT else os.kill)(self._process, number)
        return True


def main() -> None:
    """Prepare the project, stop both stages again and again, and count."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--stages", nargs="*", default=list(OUTPUTS), choices=list(OUTPUTS))
    options = parser.parse_args()
    print(f"{cpu_name()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as name:
        project = TinyProject(Path(name) / "project", ROOT)
        for stage in STAGES[: STAGES.index("train")]:
            project.run(*words(stage))
        # Children are forked before any thread of torch was started: this process only imports.
        import_module("fer_au.training.stage")
        import_module("fer_au.evaluation.stage")
        import_module("torch._dynamo")  # which optimisers load
        rng = random.Random(0)
        for stage in OUTPUTS:
            if stage in options.stages:
                length = min(undisturbed(project, stage, Path(name) / "whole") for _ in range(3))
                found = Counter(
                    # More of them early: where the machine does other things, too, a run may be faster than those.
                    stopped(project, stage, SIGNALS[k % 3], length * rng.random() ** 2)
                    for k in range(options.moments)
                )
                for end, count in sorted(found.items()):
                    print(f"{stage:9} {count:4} x {end}", flush=True)
            Run(project, stage).wait()


def undisturbed(project: TinyProject, stage: str, folder: Path) -> float:
    """Run a stage to its end in a copy; seconds over which its moments are spread."""
    twin = project.copy(folder)
    run = Run(twin, stage)
    run.wait(lambda: last_epoch(run.said))
    begun = run.seconds
    run.wait()
    shutil.rmtree(folder)
    return run.seconds - begun if stage == "train" else run.seconds


def last_epoch(said: str) -> bool:
    """Tell whether the line of a training's last epoch is there."""
    return str(EPOCHS) in EPOCH.findall(said)


def stopped(project: TinyProject, stage: str, number: signal.Signals, moment: float) -> str:
    """Stop a stage in a copy of the project, run it again, and say in words what happened."""
    twin = project.copy(project.folder.with_name("twin"))
    try:
        first = Run(twin, stage)
        if stage == "train":
            first.wait(lambda: last_epoch(first.said))
        begun = first.seconds
        first.wait(lambda: first.seconds - begun >= moment)
        ran = first.send(number)
        first.wait()
        said = first.said
        for output in OUTPUTS[stage]:
            shutil.rmtree(twin.folder / output, ignore_errors=True)
        second = Run(twin, stage)
        second.wait()
        return in_words(stage, number.name if ran else "ended before", said, second.said)
    finally:
        shutil.rmtree(twin.folder)


def in_words(stage: str, end: str, first: str, second: str) -> str:
    """Say what a second run did again."""
    if "Traceback" in first + second:
        return f"{end}: a trace"
    if "before with " in second:
        return f"{end}: nothing again, taken from the cache"
    if stage == "evaluate":
        return f"{end}: evaluated anew"
    twice = set(EPOCH.findall(first)) & set(EPOCH.findall(second))
    return f"{end}: {len(twice)} epochs twice, {'gone on' if 'goes on after' in second else 'begun anew'}"


if __name__ == "__main__":
    main()

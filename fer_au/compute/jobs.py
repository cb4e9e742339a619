"""Run the experiments of a project side by side: each one's stages by a DVC of its own, its lines with its name.

DVC does what it always does: it decides what is out of date, runs it, and records it in ``dvc.lock``; its lock of the
project is held while it looks and records, not while a stage runs. Here is only who goes first, and on which device.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from types import FrameType

import psutil

from fer_au.terminal import visible

DVC = (sys.executable, "-m", "dvc")
_ONE_JOB = ("--wait-for-lock", "repro", "--single-item")
_KEPT_LINES = 200  # of a job's output, in which the reason of its end is looked for
_ERRORS = ("error: ", "ERROR: ")
_ENDING = (signal.SIGTERM, signal.SIGHUP)  # by kill or a scheduler; by the end of a terminal
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def left_behind(folder: Path) -> list[psutil.Process]:
    """Find jobs of a ``fer-au run`` that was killed: they go on to their end, and DVC refuses others meanwhile.

    Args:
        folder: The project's folder.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # ended meanwhile, or another user's
            words = process.cmdline()
            if any(tuple(words[k : k + 3]) == _ONE_JOB for k in range(len(words))) and Path(process.cwd()) == folder:
                found.append(process)
    return found


@dataclass(frozen=True)
class Job:
    """Stages of DVC that belong together.

    Attributes:
        name: Name before each line.
        targets: Stages, such as ``train@au`` and ``evaluate@au``, in their order.
        after: Names of jobs that have to succeed before.
    """

    name: str
    targets: tuple[str, ...]
    after: tuple[str, ...] = ()


@dataclass
class Outcome:
    """How jobs ended.

    Attributes:
        done: Names of jobs that succeeded.
        failed: Name of a job -> why.
        skipped: Name of a job that never began -> the job that it waited for.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def in_order(self, names: Sequence[str]) -> Outcome:
        """Return the same in the order of some names, whichever ended first."""
        return Outcome(
            [name for name in names if name in self.done],
            {name: self.failed[name] for name in names if name in self.failed},
            {name: self.skipped[name] for name in names if name in self.skipped},
        )


def find_devices() -> list[str]:
    """List the GPUs that jobs are dealt out to, as ``CUDA_VISIBLE_DEVICES`` names them; none without GPUs."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [device for device in named.split(",") if device.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def run_jobs(jobs: Sequence[Job], side_by_side: int, devices: Sequence[str] = ()) -> Outcome:
    """Run jobs, some at a time; a failure ends no other job but those that need it.

    Args:
        jobs: Jobs, whose names differ.
        side_by_side: Number of jobs that run at a time.
        devices: GPUs; each job gets the one that fewest others use.

    Returns:
        How they ended.

    Raises:
        KeyboardInterrupt: After Ctrl-C, when all jobs have ended on their own Ctrl-C.
        SystemExit: After SIGTERM or SIGHUP, when all jobs have ended by SIGTERM.
    """
    named = {job.name: job for job in jobs}
    order = TopologicalSorter({job.name: [name for name in job.after if name in named] for job in jobs})
    order.prepare()
    outcome, ready = Outcome(), deque[str]()
    used: dict[str, str] = {}
    running: dict[Future[str], str] = {}
    processes = _Processes(max(1, (os.cpu_count() or 1) // side_by_side))
    with ThreadPoolExecutor(side_by_side) as pool, processes.ending_together():
        while order.is_active():
            ready += order.get_ready()
            while ready and len(running) < side_by_side:
                name = ready.popleft()
                blocked = next((one for one in named[name].after if one in {**outcome.failed, **outcome.skipped}), None)
                if blocked is not None:
                    outcome.skipped[name] = blocked
                    order.done(name)
                    ready += order.get_ready()
                    continue
                if devices:
                    used[name] = min(devices, key=[used.get(one) for one in running.values()].count)
                running[pool.submit(processes.run, named[name], used.get(name))] = name
            for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                name = running.pop(future)
                if why := future.result():
                    outcome.failed[name] = why
                else:
                    outcome.done.append(name)
                order.done(name)
    return outcome.in_order(list(named))


class _Processes:
    """The DVCs under way.

    Args:
        threads: Threads of each one on processors.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, job: Job, device: str | None) -> str:
        """Run a job to its end, and pass its lines on; give why it failed, or nothing."""
        threads = os.environ.get(_THREADS[0], str(self._threads))  # what is asked of one library holds for all
        environment = {**dict.fromkeys(_THREADS, threads), **os.environ}
        if device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = device
        words = [*DVC, *_ONE_JOB, *job.targets]
        with self._lock:
            if self._stopped:
                return "stopped"
            process = subprocess.Popen(  # noqa: S603 (names of experiments are checked)
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=environment,
                start_new_session=True,  # Ctrl-C comes from here, once
            )
            self._running.add(process)
        with process:  # closes the pipe, and waits
            last = deque(_pass_on(job.name, process.stdout or ()), maxlen=_KEPT_LINES)
        code = process.returncode
        with self._lock:
            self._running.discard(process)
        return "" if code == 0 else _reason(list(last), code)

    @contextmanager
    def ending_together(self) -> Iterator[None]:
        """Stop all and wait for them, whatever ends the block."""
        with _signals_end():
            try:
                try:
                    yield
                except KeyboardInterrupt:
                    self._stop(signal.SIGINT)
                    raise
            except KeyboardInterrupt:
                raise
            except BaseException:  # may come while Ctrl-C waits
                self._stop(signal.SIGTERM)
                raise

    def _stop(self, number: signal.Signals) -> None:
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        for process in running:
            process.wait()


@contextmanager
def _signals_end() -> Iterator[None]:
    """Raise ``SystemExit`` at the signals that would end this process alone, and leave its jobs at work."""

    def end(number: int, _: FrameType | None) -> None:
        for one in heard:
            signal.signal(one, signal.SIG_IGN)  # a second one would end the wait for the jobs
        raise SystemExit(128 + number)

    heard = [one for one in _ENDING if signal.getsignal(one) == signal.SIG_DFL]  # under nohup, SIGHUP is ignored
    for one in heard:
        signal.signal(one, end)
    try:
        yield
    finally:
        for one in heard:
            if signal.getsignal(one) == end:  # else this process is about to end, and stays deaf
                signal.signal(one, signal.SIG_DFL)


def _pass_on(name: str, lines: Iterable[str]) -> Iterator[str]:
    """Write lines with a name before them, each at once."""
    for line in lines:
        text = line.rstrip("\n")
        if text:
            sys.stderr.write(f"[{name}] {visible(text)}\n")
            sys.stderr.flush()
            yield text


def _reason(lines: Sequence[str], code: int) -> str:
    """Find the line that says why a job failed: a stage's own, or else DVC's."""
    for start in _ERRORS:
        for line in lines:
            if line.startswith(start):
                return line.removeprefix(start)
    return f"ended with code {code}"


def summary_lines(outcome: Outcome) -> list[str]:
    """Say how jobs ended, a line for each that didn't succeed."""
    parts: Mapping[str, int] = {
        "done": len(outcome.done),
        "failed": len(outcome.failed),
        "not begun": len(outcome.skipped),
    }
    lines = [f"{name}: failed: {why}" for name, why in outcome.failed.items()]
    lines += [f"{name}: not begun, since {other} failed" for name, other in outcome.skipped.items()]
    return [*lines, ", ".join(f"{count} {what}" for what, count in parts.items() if count) or "nothing to do"]

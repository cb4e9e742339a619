"""The command line every stage script shares."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, MutableMapping

from fer_au.errors import ConfigError, run_main


def stage_main(main: Callable[..., None], usage: str | None, arguments: list[str] | None = None) -> int:
    """Run a stage's ``main`` with the names given on the command line.

    A ``main`` imports what loads torch itself, after the settings made here.

    Args:
        main: Takes one positional string per command line argument.
        usage: The script's docstring, shown when the arguments do not fit.
        arguments: Default: ``sys.argv[1:]``.

    Returns:
        The exit code.
    """
    names = sys.argv[1:] if arguments is None else arguments
    set_waiting(os.environ)

    def call() -> None:
        if len(names) != len(inspect.signature(main).parameters):
            raise ConfigError(f"wrong number of arguments. {usage}")
        main(*names)

    return run_main(call)


def set_waiting(environment: MutableMapping[str, str]) -> None:
    """Say how torch's threads wait for each other, where the user has not; OpenMP reads it when torch loads it.

    They meet a thousand times per update. A thread that sleeps at once is woken too late: on two idle processors
    that costs a training of a small network half its speed. One that spins on, as is the default, takes the processor
    from the thread it waits for as soon as other programs want it, too. So they spin for half a millisecond, and not at
    all where twice as many programs run as there are processors.

    Args:
        environment: Of this process; changed in place.
    """
    if "OMP_WAIT_POLICY" in environment:
        return
    crowded = hasattr(os, "getloadavg") and os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
    # GNU's OpenMP, of torch on Linux, counts turns of a loop; LLVM's and Intel's count milliseconds.
    environment.setdefault("GOMP_SPINCOUNT", "0" if crowded else "20000")
    environment.setdefault("KMP_BLOCKTIME", "0" if crowded else "1")

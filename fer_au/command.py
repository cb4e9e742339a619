"""The command line every stage script shares."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable

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
    # OpenMP reads this when torch loads it. Its threads spin while they wait, which costs a training most of its speed
    # as soon as another process wants the same processors; sleeping costs an idle machine nothing.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    def call() -> None:
        if len(names) != len(inspect.signature(main).parameters):
            raise ConfigError(f"wrong number of arguments. {usage}")
        main(*names)

    return run_main(call)

"""The command line every stage script shares."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable

from fer_au.errors import ConfigError, run_main


def stage_main(main: Callable[..., None], usage: str | None, arguments: list[str] | None = None) -> int:
    """Run a stage's ``main`` with the names given on the command line.

    Args:
        main: Takes one positional string per command line argument.
        usage: The script's docstring, shown when the arguments do not fit.
        arguments: Default: ``sys.argv[1:]``.

    Returns:
        The exit code.
    """
    names = sys.argv[1:] if arguments is None else arguments

    def call() -> None:
        if len(names) != len(inspect.signature(main).parameters):
            raise ConfigError(f"wrong number of arguments. {usage}")
        main(*names)

    return run_main(call)

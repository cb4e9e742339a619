"""Loading in the process that local workers are forked from: once, into memory that all of them share.

Only ``workers`` brings this module into that process (the fork server), whose environment then names what to load.
"""

from __future__ import annotations

import base64
import os
import pickle
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from types import TracebackType

_VARIABLE = "_FER_AU_PRELOAD"
_LONGEST = 100_000  # characters; Linux starts no program with a variable of 128 kB


def preload_request(module: str, load: Callable[[], object] | None) -> dict[str, str]:
    """Make the environment of a fork server that loads something when it starts.

    Args:
        module: Name of a module that it imports.
        load: Picklable function of that module that it calls, too. A function that carries much data along, like a
            method of a large object, is left to each worker.
    """
    text = _encode(load or partial(import_module, module))
    return {_VARIABLE: text if len(text) <= _LONGEST else _encode(partial(import_module, module))}


def _encode(function: Callable[[], object]) -> str:
    return base64.b85encode(pickle.dumps(function)).decode()


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report what ends a worker before it has a task; what its parent took along when that was ended is no news."""
    if not issubclass(kind, OSError | EOFError):
        sys.__excepthook__(kind, error, trace)


if request := os.environ.pop(_VARIABLE, ""):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    sys.excepthook = _report
    with suppress(Exception):  # a worker will meet the same error and report it
        pickle.loads(base64.b85decode(request))()  # noqa: S301 (written by this process's own parent)

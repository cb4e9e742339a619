"""Loaded once in the process that local workers are forked from: what it loads here, all of them share.

Only ``workers`` brings this module into that process (the fork server), whose environment then names what to load.
"""

from __future__ import annotations

import base64
import os
import pickle
import signal
from collections.abc import Callable
from contextlib import suppress

_VARIABLE = "_FER_AU_PRELOAD"


def preload_request(load: Callable[[], object]) -> dict[str, str]:
    """The environment of a fork server that is to call a picklable function when it starts."""
    return {_VARIABLE: base64.b85encode(pickle.dumps(load)).decode()}


if request := os.environ.pop(_VARIABLE, ""):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with suppress(Exception):  # a worker will meet the same error and report it
        pickle.loads(base64.b85decode(request))()  # noqa: S301 (written by this process's own parent)

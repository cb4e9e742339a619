"""Settings of this process that decide how fast a network runs on processors; no result depends on them."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Mapping, MutableMapping

# How long a thread spins, in turns of a loop and in milliseconds, up to a load per processor; the threads of the stage
# before make a load of 1. Images/s of a small network on two processors at 0, 20,000 and 100,000 turns: 185, 255, 315
# where nothing else runs (bf16); 27, 10, 5 beside ten other programs (fp32).
_SPINS = ((1.25, 100_000, 3), (2.0, 20_000, 1), (math.inf, 0, 0))

# Parameters of glibc's mallopt. A block with a mapping of its own goes back, however large the heap may stay.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_MOST_KEPT = 1 << 29
"""Bytes of freed memory at the heap's end that stay with the process: the largest maps of a batch."""


def prepare_networks(environment: MutableMapping[str, str]) -> None:
    """Make this process fit to run networks on processors: how threads wait, and what becomes of freed memory.

    Args:
        environment: Of this process; changed in place. What the user has set there stays.
    """
    set_waiting(environment)
    keep_freed_memory(environment)


def set_waiting(environment: MutableMapping[str, str]) -> None:
    """Say how torch's threads wait for each other, where the user has not; OpenMP reads it when torch loads it.

    They meet a thousand times per update. A thread that sleeps at once is woken too late, one that spins for long takes
    the processor from the very thread it waits for as soon as other programs want it, too: the more of them there are,
    the sooner it had better sleep.

    Args:
        environment: Of this process; changed in place.
    """
    if "OMP_WAIT_POLICY" in environment:
        return
    load = os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else 0.0
    turns, milliseconds = next(spins for limit, *spins in _SPINS if load <= limit)
    # GNU's OpenMP, of torch on Linux, counts turns of a loop; LLVM's and Intel's count milliseconds.
    environment.setdefault("GOMP_SPINCOUNT", str(turns))
    environment.setdefault("KMP_BLOCKTIME", str(milliseconds))


def keep_freed_memory(environment: Mapping[str, str]) -> bool:
    """Keep freed memory for the next layer instead of giving it back to the system, where the user says nothing of it.

    A network asks for large blocks and frees them, layer by layer. The GNU C library gives each back at once, and the
    system clears every page again before it lends it anew: ``benchmarks/freed_memory.py`` measures what that costs.

    Args:
        environment: Of this process: with ``MALLOC_...`` or a tunable of malloc in it, nothing is changed.

    Returns:
        Whether the setting was made; other C libraries have none.
    """
    own = any(name.startswith("MALLOC_") for name in environment)
    if own or "glibc.malloc" in environment.get("GLIBC_TUNABLES", "") or not _is_glibc():
        return False
    library = ctypes.CDLL(None)
    return bool(library.mallopt(_M_MMAP_MAX, 0) and library.mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT))


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError, OSError):  # no such function, no such name, another library
        return False

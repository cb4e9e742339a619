"""Environment variables whose values a later stage would refuse."""

from __future__ import annotations

from fer_au.batches.image_cache import image_cache_bytes
from fer_au.compute import worker_count
from fer_au.errors import ConfigError


def find_environment_faults() -> list[str]:
    """List what is wrong with numbers in environment variables, one line each, which names the variable."""
    faults = []
    for read in (worker_count, image_cache_bytes):
        try:
            read()
        except ConfigError as error:
            faults.append(str(error))
    return faults

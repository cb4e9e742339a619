"""The memory for decoded images, in a file that imports no torch: the look before a run reads it, too."""

from __future__ import annotations

import os

from fer_au.errors import ConfigError

_DEFAULT_CACHE_MB = 2048


def image_cache_bytes() -> int:
    """Return the memory for decoded images: ``FER_AU_IMAGE_CACHE_MB`` megabytes, default 2048.

    Raises:
        ConfigError: The variable is not a whole number.
    """
    text = os.environ.get("FER_AU_IMAGE_CACHE_MB", "").strip() or str(_DEFAULT_CACHE_MB)
    if not text.isdigit():
        raise ConfigError(f"FER_AU_IMAGE_CACHE_MB must be a whole number of megabytes, not {text!r}")
    return int(text) << 20

"""Settings of the stage ``align`` for a data set, with what their detector leaves to decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fer_au.config.data import AlignConfig
from fer_au.config.dataset_settings import ALIGN
from fer_au.config.unread import Unread, find_unread
from fer_au.errors import MissingDependencyError, UnknownNameError
from fer_au.faces.detectors import DETECTORS


def find_unread_keys(config: AlignConfig) -> Iterator[Unread]:
    """List written keys that nothing reads: beside others, or because the detector leaves nothing to decide."""
    yield from find_unread(config)
    names, written = config.detectors, config.model_fields_set
    try:
        looks = any(DETECTORS.get(name).looks for name in names)
    except (UnknownNameError, MissingDependencyError):
        return  # reported by name
    if not looks and "choose" in written and config.choose != "best-iou":
        yield Unread(("choose",), f"detector {names[0]!r} gives one box, and no other to choose")
    if "whole-image" in names and "on_missing" in written:
        yield Unread(("on_missing",), "detector 'whole-image' misses no face")


ALIGN_SETTINGS = replace(ALIGN, unread=find_unread_keys)
"""Section ``align`` with the keys that data sets have of their own."""

"""Look metrics up: what a key means, where it stands, and which values it can have."""

from __future__ import annotations

import math
import re
from functools import cache

from fer_au.glossary_entries import COUNTED, ENTRIES, FAMILIES
from fer_au.registry import near_names

TOO_COARSE = "too coarse to tell"
"""What is said of grids whose cells are too large for a score, or for a cue."""


def match_key(template: str, key: str) -> tuple[str, ...] | None:
    """Match a key with a template such as ``cam_cos.<cam>``.

    Returns:
        The names that stand in the places of ``<...>``; None for another key.

    Example:
        >>> match_key("cam_cos.<cam>", "cam_cos.native"), match_key("n", "n"), match_key("n", "n_cos")
        (('native',), (), None)
    """
    match = _pattern(template).fullmatch(key)
    return match.groups() if match else None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """Compile a template, once: metrics are many. Names may have dots; of two in one key, the first is the shorter."""
    return re.compile(re.sub("<[^>]*>", "(.+?)", re.escape(template)))


def metric_fault(key: str, value: float) -> str:
    """Say what is wrong with a metric's key or value; empty if it can be one.

    Example:
        >>> metric_fault("accuracy", 61)
        'accuracy can be from 0 to 1, got 61; write 0.61'
        >>> metric_fault("acuracy", 0.61)
        'no metric is called acuracy; did you mean accuracy?'
    """
    entry = next((entry for entry in ENTRIES if match_key(entry.key, key) is not None), None)
    if entry is None:
        return f"no metric is called {key}; {near_names(key, (one.key for one in ENTRIES), limit=1)}"
    low, high = _range(key, entry.family)
    if low <= value <= high:
        return ""
    if math.isinf(high):
        return f"{key} can be {low:g} or more, got {value:g}"
    advice = f"; write {value / 100:g}" if 1 < value <= 100 else ""
    return f"{key} can be from {low:g} to {high:g}, got {value:g}{advice}"


def _range(key: str, family: str) -> tuple[float, float]:
    """Give the least and the greatest value that a metric can have: a share or cosine, a correlation, or a count."""
    correlation = "ccos" in key or key.removeprefix("interval.").split(".")[0] == "overlap_rank"
    audited = key.removeprefix("interval.").startswith("audit.") and key != "audit.n"
    if correlation or audited or key.endswith((".gap", ".gap.low", ".gap.high")):
        return -1.0, 1.0
    if key.endswith(".relative_accuracy"):  # more than all is left where a disturbance helps
        return 0.0, math.inf
    counts = family in COUNTED or key.endswith((".n", "_n", ".n_cos", ".persons"))
    return 0.0, math.inf if counts and not key.endswith("accuracy") else 1.0


def look_up(key: str) -> tuple[str, str]:
    """Find family and meaning of a metric key; ``("Other", "")`` for one that nobody described.

    >>> look_up("cam_cos.native")
    ('CAM against the AU map', 'Cosine between the native map and the AU map.')
    """
    for entry in ENTRIES:
        if (names := match_key(entry.key, key)) is not None:
            return entry.family, entry.meaning.format(*names)
    return "Other", ""


def rank(key: str) -> int:
    """Find the place of a key in the page's order, for sorting: by family, then by entry; unknown keys come last."""
    families = list(FAMILIES)
    for place, entry in enumerate(ENTRIES):
        if match_key(entry.key, key) is not None:
            return families.index(entry.family) * len(ENTRIES) + place
    return len(families) * len(ENTRIES)

"""Votes of ten people as one label, or as shares of expressions: the rules of FERPlus.

They are those of the authors' tool: a single vote for something counts as a slip, and a face that most took for unknown
or for no face (NF) is left out. Source: Barsoum, Zhang, Canton Ferrer and Zhang, "Training Deep Networks for Facial
Expression Recognition with Crowd-Sourced Label Distribution", ICMI 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
"""What is voted for, in the order of the columns."""
Mode = Literal["majority", "plurality", "probability", "multi-target"]
SOFT: tuple[Mode, ...] = ("probability", "multi-target")
"""Rules that give several expressions their shares."""

_NAMED = 8  # of ``VOTES`` are expressions
_SLIP = 1
_HALF, _ENOUGH, _TARGET = 0.5, 0.75, 0.3
_MOST_LABELS = 3


def read_votes(votes: Sequence[int], mode: Mode) -> NDArray[np.float32] | str:
    """Make the shares of the eight expressions of ten votes, by a rule of ``FerplusConfig.mode``.

    Returns:
        (8,) float32 in the order of ``VOTES``, which sum to 1; or why the face is left out.
    """
    counts = np.array(votes, np.float64)
    if mode != "plurality":
        counts[counts <= _SLIP] = 0
    total, most = counts.sum(), counts.max()
    if not total:
        return "no two votes agree"
    leaders = np.flatnonzero(counts == most)
    kept = np.zeros_like(counts)
    if mode == "plurality":
        kept[leaders[:1]] = 1
    elif mode == "majority":
        if most <= _HALF * total:
            return "no expression has more than half of the votes"
        kept[leaders] = 1
    elif mode == "multi-target":
        kept = np.where(counts >= _TARGET * total, counts, 0)
    else:
        kept = _leading(counts)
    if mode in SOFT and (kept.sum() <= _HALF * total or np.count_nonzero(kept) > _MOST_LABELS):
        return "the votes are spread over too many expressions"
    if (winner := int(kept.argmax())) >= _NAMED:
        return f"most votes are for {'unknown' if VOTES[winner] == 'unknown' else 'no face (NF)'}"
    shares = kept[:_NAMED]
    return np.asarray(shares / shares.sum(), np.float32)


def _leading(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep the counts of the leading expressions until they have most of the votes; equal ones come together.

    Unknown and NF end the list; where expressions lead, they don't count.
    """
    kept, left = np.zeros_like(counts), counts.copy()
    while kept.sum() < _ENOUGH * counts.sum() and np.count_nonzero(kept) < _MOST_LABELS and left.any():
        leaders = np.flatnonzero(left == left.max())
        named = [place for place in leaders if place < _NAMED]
        if len(named) < len(leaders):
            if not kept.any() and not named:
                kept[leaders[0]] = left[leaders[0]]
            kept[named] = left[named]
            break
        kept[named] = left[named]
        left[named] = 0
    return kept

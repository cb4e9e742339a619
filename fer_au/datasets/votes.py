"""Votes of ten people as one label, or as shares of expressions: the rules of FERPlus.

They are those of the authors' tool: a single vote for something counts as a slip, and a face that most took for unknown
or for no face (NF) is left out. Source: Barsoum, Zhang, Canton Ferrer and Zhang, "Training Deep Networks for Facial
Expression Recognition with Crowd-Sourced Label Distribution", ICMI 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
"""What is voted for, in the order of the columns."""
Mode = Literal["majority", "plurality", "probability", "multi-target"]
SOFT: tuple[Mode, ...] = ("probability", "multi-target")
"""Rules that give several expressions their shares."""

_NAMED = 8  # of ``VOTES`` are expressions
_SLIP = 1
_HALF, _ENOUGH, _TARGET = 0.5, 0.75, 0.3
_MOST_LABELS = 3


def read_votes(votes: Sequence[int], mode: Mode) -> tuple[float, ...] | str:
    """Make the shares of the eight expressions of ten votes, by a rule.

    Plain numbers, and no arrays, which take ten times as long for ten votes.

    Args:
        votes: Ten numbers of votes, in the order of ``VOTES``.
        mode: ``majority``, ``plurality``, ``probability`` or ``multi-target``, see ``FerplusConfig``.

    Returns:
        Eight shares in the order of ``VOTES``, which sum to 1; or why the face is left out.
    """
    counts = list(votes) if mode == "plurality" else [0 if number <= _SLIP else number for number in votes]
    total, most = sum(counts), max(counts)
    if not total:
        return "no two votes agree"
    kept = [0] * len(counts)
    if mode in ("plurality", "majority"):
        if mode == "majority" and most <= _HALF * total:
            return "no expression has more than half of the votes"
        kept[counts.index(most)] = 1
    elif mode == "multi-target":
        kept = [number if number >= _TARGET * total else 0 for number in counts]
    else:
        kept = _leading(counts)
    if mode in SOFT and (sum(kept) <= _HALF * total or sum(map(bool, kept)) > _MOST_LABELS):
        return "the votes are spread over too many expressions"
    if (winner := kept.index(max(kept))) >= _NAMED:
        return f"most votes are for {'unknown' if VOTES[winner] == 'unknown' else 'no face (NF)'}"
    whole = sum(kept[:_NAMED])
    return tuple(number / whole for number in kept[:_NAMED])


def _leading(counts: Sequence[int]) -> list[int]:
    """Keep the counts of the leading expressions until they have most of the votes; equal ones come together.

    Unknown and NF end the list; where expressions lead, they don't count.
    """
    kept, left, total = [0] * len(counts), list(counts), sum(counts)
    while sum(kept) < _ENOUGH * total and sum(map(bool, kept)) < _MOST_LABELS and (most := max(left)):
        leaders = [place for place, number in enumerate(left) if number == most]
        named = [place for place in leaders if place < _NAMED]
        for place in named:
            kept[place], left[place] = most, 0
        if len(named) < len(leaders):
            if not any(kept):
                kept[leaders[0]] = most
            break
    return kept

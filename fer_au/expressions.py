"""The canonical expression labels; codes of data sets live in their adapter alone."""

from __future__ import annotations

from collections.abc import Iterable

from fer_au.answers import describe
from fer_au.errors import ArgumentError

NEUTRAL = "neutral"

EXPRESSIONS: tuple[str, ...] = (
    NEUTRAL,
    "happiness",
    "surprise",
    "fear",
    "anger",
    "disgust",
    "sadness",
    "contempt",
)

_SYNONYMS = {
    "calm": "neutral",
    "happy": "happiness",
    "joy": "happiness",
    "smile": "happiness",
    "surprised": "surprise",
    "afraid": "fear",
    "fearful": "fear",
    "scared": "fear",
    "angry": "anger",
    "disgusted": "disgust",
    "sad": "sadness",
    "contemptuous": "contempt",
}


def parse_expression(text: str) -> str | None:
    """Read an expression name in any case, with the usual synonyms (``Happy`` -> ``happiness``).

    Returns:
        The canonical name, or None if the text names no expression.

    Raises:
        ArgumentError: It is no text.
    """
    if not isinstance(text, str):
        raise ArgumentError(f"text: expected the name of an expression, got {describe(text)}")
    name = text.strip().lower()
    return name if name in EXPRESSIONS else _SYNONYMS.get(name)


def ordered(labels: Iterable[str]) -> tuple[str, ...]:
    """Put distinct canonical labels into the canonical order: the class order of every model.

    Raises:
        ValueError: A label is not canonical.
    """
    found = set(labels)
    if unknown := found.difference(EXPRESSIONS):
        raise ValueError(f"not canonical expression labels: {sorted(unknown)}")
    return tuple(name for name in EXPRESSIONS if name in found)

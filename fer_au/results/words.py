"""Say the headline metrics of one experiment in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fer_au.evaluation.metrics_file import is_headline
from fer_au.glossary import TOO_COARSE, look_up, rank
from fer_au.glossary_entries import FAMILIES
from fer_au.results.experiment import CrossResult, ExperimentResult
from fer_au.results.looking import is_too_coarse, looking_text
from fer_au.results.published import PublishedScore
from fer_au.results.sheets import NOTHING, in_percent, number
from fer_au.terminal import counted, wrap

_INDENT = "    "
_WITH_INTERVAL = ("accuracy", "balanced_accuracy", "att_ccos")


def describe(result: ExperimentResult, published: Sequence[PublishedScore], width: int) -> str:
    """Write the headline metrics of an experiment, or of a model on another data set, each with its meaning.

    Args:
        result: Result to describe.
        published: Published numbers; those about this experiment stand with its metrics, also such as belong to no
            headline.
        width: Characters of a line.
    """
    lines = [wrap(text, width) for text in (_introduction(result), looking_text(result)) if text]
    family = ""
    there = _about(result, published)
    shown = [key for key in result.metrics if is_headline(key) or any(key == one.key for one in there)]
    keys = sorted(shown, key=lambda key: (rank(key), key))
    longest = max(map(len, keys), default=0)
    for key in keys:
        own, meaning = look_up(key)
        if own != family:
            lines += ["", own]
            lines += [wrap(FAMILIES[own], width)] if FAMILIES[own] else []
            family = own
        lines.append(f"  {key:<{longest}}  {_value(key, result)}")
        lines += [wrap(text, width, _INDENT) for text in _beside(key, result, there)]
        if meaning:
            lines.append(wrap(meaning, width, _INDENT))
    return "\n".join(lines)


def _introduction(result: ExperimentResult) -> str:
    split = result.results.attributes.get("split", "test")
    images = f"{counted(len(result.results), 'image')} of split {split!r} of data set {result.dataset!r}"
    text = f"scored on {images}, {len(result.classes)} classes ({', '.join(result.classes)})"
    if isinstance(result, CrossResult):
        text = f"model of experiment {result.entry.experiment!r}, {text}"
    untested = f"; no image of: {', '.join(result.untested)}" if result.untested else ""
    return f"{result.name}: {text}{untested}."


def _value(key: str, result: ExperimentResult) -> str:
    value = result.metrics[key]
    if isinstance(value, str):
        return value
    text = number(key, math.nan if value is None else float(value))
    if is_too_coarse(result, key):
        return f"{text} ({TOO_COARSE})"
    return f"{text} %" if in_percent(key) and text != NOTHING else text


def _about(result: ExperimentResult, published: Sequence[PublishedScore]) -> list[PublishedScore]:
    """Choose the published numbers of an experiment; an entry of ``cross`` may have its name."""
    return [] if isinstance(result, CrossResult) else [one for one in published if one.name == result.name]


def _beside(key: str, result: ExperimentResult, published: Sequence[PublishedScore]) -> Iterator[str]:
    """Write the lines below a value: its interval, and the published values with what the difference means."""
    low, high = result.interval(key) if key in _WITH_INTERVAL else (math.nan, math.nan)
    if math.isfinite(low):
        yield f"95 % interval over images: {number(key, low)} to {number(key, high)}{' %' if in_percent(key) else ''}"
    for one in published:
        if one.key == key:
            yield f"published ({one.row}): {one.published_text}, difference {one.difference_text}. {one.meaning}"

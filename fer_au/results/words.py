"""Say the headline metrics of one experiment in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from fer_au.evaluation.metrics_file import Metric, is_headline
from fer_au.presets.published import Published
from fer_au.results.experiment import ExperimentResult
from fer_au.results.glossary import FAMILIES, look_up, rank
from fer_au.results.reading import Result
from fer_au.results.sheets import NOTHING, PERCENT, difference, number
from fer_au.results.table import accuracy_interval
from fer_au.terminal import wrap

_INDENT = "    "


def describe(result: Result, published: Published | None, width: int) -> str:
    """Write the headline metrics of an experiment, or of a model on another data set, each with its meaning.

    Args:
        result: Result to describe.
        published: Published numbers; those about this experiment stand with its metrics.
        width: Characters of a line.
    """
    lines = [wrap(_introduction(result), width)]
    family = ""
    keys = sorted(filter(is_headline, result.metrics), key=lambda key: (rank(key), key))
    longest = max(map(len, keys), default=0)
    for key in keys:
        own, meaning = look_up(key)
        if own != family:
            lines += ["", own]
            lines += [wrap(FAMILIES[own], width)] if FAMILIES[own] else []
            family = own
        lines.append(f"  {key:<{longest}}  {_value(key, result.metrics[key])}")
        lines += [f"{_INDENT}{text}" for text in _beside(key, result, published)]
        if meaning:
            lines.append(wrap(meaning, width, _INDENT))
    return "\n".join(lines)


def _introduction(result: Result) -> str:
    config = result.config
    if isinstance(result, ExperimentResult):
        split = result.results.attributes.get("split", "test")
        images = f"{len(result.results)} images of split {split!r} of data set {config.dataset!r}"
        return f"{result.name}: scored on {images}, {len(result.classes)} classes ({', '.join(result.classes)})."
    count = number("n", result.number("n"))
    model = f"model of experiment {result.config.experiment!r}"
    return f"{result.name}: {model}, scored on {count} images of data set {config.dataset!r}."


def _value(key: str, value: Metric) -> str:
    if isinstance(value, str):
        return value
    text = number(key, math.nan if value is None else float(value))
    return f"{text} %" if key in PERCENT and text != NOTHING else text


def _beside(key: str, result: Result, published: Published | None) -> Iterator[str]:
    """Write the line below a value: its interval, and the published value."""
    low, high = accuracy_interval(result) if key == "accuracy" else (math.nan, math.nan)
    if math.isfinite(low):
        yield f"95 % interval over images: {low * 100:.1f} to {high * 100:.1f} %"
    for row in published.rows if published else ():
        if row.experiment == result.name and isinstance(result, ExperimentResult) and key in row.metrics:
            there = row.metrics[key]
            gap = difference(key, result.number(key), there)
            yield f"published ({row.row}): {number(key, there)}, difference {gap}"

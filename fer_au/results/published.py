"""Put published numbers beside our own, and say in words what a difference means."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fer_au.config.data import HeatmapsConfig
from fer_au.config.dataset_settings import OVERRIDABLE, without_own
from fer_au.config.differences import find_differences, mapping
from fer_au.config.entries import merge
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.config.published import Published
from fer_au.datasets.base import examine_dataset
from fer_au.results.changes import shorten
from fer_au.results.experiment import ExperimentResult
from fer_au.results.groups import Spread, group_spreads
from fer_au.results.reading import Results
from fer_au.results.sheets import difference, number

_MOST_KEYS = 4
_WIDE = 2.0  # standard deviations of repeats within which a published value agrees with them
_ROUNDING = 5e-5  # of the digits that are shown
_APART = ("dataset", "base", "train", "group", "seed")
"""Keys of an experiment that are compared elsewhere, or are no part of a protocol."""
_PLACES = ("root", "max_reject_fraction")
"""Last parts of keys that say where data lie or when a stage fails, and not what is measured."""
_COSTS = ("precision",)
"""Keys of training that decide speed more than numbers."""


@dataclass(frozen=True)
class PublishedScore:
    """One published number beside ours.

    Attributes:
        name: Experiment or group that repeats it.
        members: Experiments of ours that are averaged; one, or those of the group. Empty where none is evaluated.
        row: Row of the published table.
        key: Metric.
        here: Ours; NaN where it wasn't measured.
        published: The published value.
        meaning: What the difference means, in sentences.
    """

    name: str
    members: tuple[str, ...]
    row: str
    key: str
    here: Spread
    published: float
    meaning: str

    @property
    def here_text(self) -> str:
        """Our value as papers print it, with the deviation of repeats."""
        text = number(self.key, self.here.mean)
        several = math.isfinite(self.here.deviation)
        return f"{text} ± {number(self.key, self.here.deviation)}" if several else text

    @property
    def published_text(self) -> str:
        """The published value in the same digits."""
        return number(self.key, self.published)

    @property
    def difference_text(self) -> str:
        """Our value minus the published one, with its sign."""
        return difference(self.key, self.here.mean, self.published)


def scores_beside(results: Results) -> list[PublishedScore]:
    """Compare all results with the published numbers that were read with them; empty if there are none."""
    own = [one.result for one in results.experiments if one.result is not None]
    return published_scores(results.published, results.params, own) if results.published else []


def published_scores(
    published: Published, params: Mapping[str, Any], results: Sequence[ExperimentResult]
) -> list[PublishedScore]:
    """Compare results with published numbers, in the order of the published table.

    Args:
        published: The published numbers; rows about nothing in ``params`` are left out.
        params: Content of ``params.yaml``.
        results: Evaluated experiments.
    """
    known, evaluated = mapping(params.get("experiments")), {one.name: one for one in results}
    found = []
    for row in published.rows:
        names = [row.experiment] if row.experiment else _members(known, row.group)
        names = [name for name in names if name in known]
        if not names or not row.metrics:
            continue
        members = [evaluated[name] for name in names if name in evaluated]
        protocol = list(_protocol(published.settings, params, names))
        for key, value in row.metrics.items():
            here = group_spreads(members, [key])[key]
            words = [*protocol, _distance(members, key, here, value)] if here.n else ["It was not measured here."]
            place, own = row.experiment or str(row.group), tuple(one.name for one in members)
            found.append(PublishedScore(place, own, " ".join(row.row.split()), key, here, value, " ".join(words)))
    return found


def _members(known: Mapping[str, Any], group: str | None) -> list[str]:
    return [name for name, entry in known.items() if group and mapping(entry).get("group") == group]


def _protocol(settings: Mapping[str, Any], params: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    """Say whether the data and the settings of experiments are those of the preset."""
    if any(name not in mapping(settings.get("experiments")) for name in names):
        yield "The file doesn't say by which settings it was published; `fer-au presets write` adds them."
        return
    data = list(dict.fromkeys(text for name in names if (text := _other_data(settings, params, name))))
    yield from data
    keys = list(dict.fromkeys(key for name in names for key in _differing(settings, params, name, bool(data))))
    if keys:
        yield f"The protocol differs from the preset's in {shorten(keys, _MOST_KEYS)}."
    elif not data:
        yield "The settings are the preset's."


def _entry(sections: Mapping[str, Any], section: str, name: object) -> Mapping[str, Any]:
    return mapping(mapping(sections.get(section)).get(str(name)))


def _other_data(settings: Mapping[str, Any], params: Mapping[str, Any], name: str) -> str:
    """Say that an experiment is about other data than the published number; empty where nothing tells that."""
    now, then = (_entry(sections, "experiments", name).get("dataset") for sections in (params, settings))
    own, published = _entry(params, "datasets", now), _entry(settings, "datasets", then)
    if own.get("adapter") == published.get("adapter") and (now == then or not then):
        return ""
    return f"It was published of other data: the preset has data set {then!r}, and params.yaml has {now!r}."


def _differing(settings: Mapping[str, Any], params: Mapping[str, Any], name: str, other_data: bool) -> list[str]:
    """List the keys of ``params.yaml`` in which an experiment's settings differ from the preset's."""
    now, then = (_entry(sections, "experiments", name) for sections in (params, settings))
    keys = find_differences(ExperimentConfig, _own(now), _own(then), f"experiments.{name}")
    keys += find_differences(TrainConfig, _training(params, now), _training(settings, then), "train")
    keys += _preparing_keys(params, str(now.get("dataset")), settings, str(then.get("dataset")))
    keys += find_differences(EvaluateConfig, _scored(params), _scored(settings), "evaluate")
    if not other_data:
        prefix, faces = f"datasets.{now.get('dataset')}", _entry(params, "datasets", now.get("dataset"))
        built = examine_dataset(str(now.get("dataset")), faces)[0]
        published = _entry(settings, "datasets", then.get("dataset"))
        model = type(built) if built is not None else None
        keys += find_differences(model, without_own(faces), without_own(published), prefix)
    return [key for key in keys if key.rpartition(".")[2] not in (*_PLACES, *_COSTS)]


def _preparing_keys(params: Mapping[str, Any], name: str, settings: Mapping[str, Any], then_name: str) -> Iterator[str]:
    """List the settings of the preparing stages that differ for a data set, each under the key that holds it here."""
    for section in OVERRIDABLE.values():
        pair = section.merge(params, name), section.merge(settings, then_name)
        for path in find_differences(section.model, *pair, section.section):
            yield section.place(params, name, path.partition(".")[2])
    yield from find_differences(HeatmapsConfig, params.get("heatmaps"), settings.get("heatmaps"), "heatmaps")


def _own(entry: Mapping[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in entry.items() if key not in _APART}
    return {**own, "dataset": ""}


def _training(sections: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    return merge(mapping(sections.get("train")), mapping(entry.get("train")))


def _scored(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Take the split that is scored; which maps are drawn changes no number of others."""
    return {"split": mapping(sections.get("evaluate")).get("split", "test")}


def _distance(members: Sequence[ExperimentResult], key: str, here: Spread, published: float) -> str:
    """Say whether the published value lies where ours may lie by chance."""
    if len(members) > 1:
        if not math.isfinite(here.deviation):
            return "One run alone has it, so its spread is not known."
        low, high = here.mean - _WIDE * here.deviation, here.mean + _WIDE * here.deviation
        what = f"two standard deviations of our {here.n} runs"
    else:
        low, high = members[0].interval(key)
        what = "the 95 % interval of ours over test images"
    if not math.isfinite(low):
        return "How far chance moves it over test images is not known."
    bounds = f"{number(key, low)} to {number(key, high)}"
    if low - _ROUNDING <= published <= high + _ROUNDING:
        return f"The published value lies within {what}, {bounds}."
    side = "above" if published > high else "below"
    return f"The published value lies {side} {what}, {bounds}."

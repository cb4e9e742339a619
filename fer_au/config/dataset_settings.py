"""Settings of single data sets: an entry of ``datasets`` may have keys of the sections ``align`` and ``landmarks``.

``datasets.rafdb.align: {template: none}`` lies over the section ``align`` key by key. Whoever needs the settings with
which a stage runs for a data set asks here. What an entry switches off of a section, as ``template: none`` does with
``keypoints``, is left out; what the entry itself writes without effect is a fault.

The stage ``stamp`` writes these settings into ``stages/stamp.json``, where DVC takes them as parameters of ``ingest``,
``align`` and ``landmarks``: an edit reruns the data sets whose settings it changes, and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, cast

from fer_au.config.data import AlignConfig, LandmarksConfig
from fer_au.config.differences import mapping
from fer_au.config.reading import PARAMS, Fault, Model, entry, examine, read_params, refuse
from fer_au.config.unread import Unread, drop_unread, find_unread, is_written

STAMPED = "settings"
"""Key of ``stages/stamp.json`` that holds what ``STAGES`` take of ``params.yaml``: stage -> data set -> settings."""

STAGES = ("ingest", "align", "landmarks")


@dataclass(frozen=True)
class Overridable(Generic[Model]):
    """A section of ``params.yaml`` of which each data set may have keys of its own.

    Attributes:
        section: Name of the section, and of the key in an entry of ``datasets``.
        model: Model of the section.
        unread: Finds written values that nothing reads.
    """

    section: str
    model: type[Model]
    unread: Callable[[Any], Iterator[Unread]] = find_unread

    def merge(self, params: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Lay a data set's own keys over the section, without what these switch off of it.

        Args:
            params: The whole of ``params.yaml``.
            name: Name of the data set.

        Returns:
            The settings, plain data.
        """
        own = self.own(params, name)
        return drop_unread(self.model, {**mapping(params.get(self.section)), **own}, own, self.unread)

    def own(self, params: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """Give the keys that a data set has of its own, plain data."""
        return mapping(mapping(mapping(params.get("datasets")).get(name)).get(self.section))

    def place(self, params: Mapping[str, Any], name: str, key: str) -> str:
        """Name the key of ``params.yaml`` that decides a setting of a data set: its own, or the section's."""
        above = f"datasets.{name}." if key.partition(".")[0] in self.own(params, name) else ""
        return f"{above}{self.section}.{key}"

    def examine(self, params: Mapping[str, Any], name: str) -> tuple[Model | None, list[Fault]]:
        """Build the settings of a data set, or list what is wrong with its own keys.

        Returns:
            The settings, None where they or the section have faults; and the faults, without the section's.
        """
        prefix = f"datasets.{name}.{self.section}"
        built, found = self._examine(self.merge(params, name), prefix)
        known = examine(self.model, mapping(params.get(self.section)), prefix, unread=True)[1]
        return built, [fault for fault in found if fault not in known]

    def examine_shared(self, params: Mapping[str, Any]) -> list[Fault]:
        """List what is wrong with the section itself; a value that some data set reads has an effect."""
        shared = params.get(self.section) or {}
        built, faults = examine(self.model, shared, self.section, unread=True)
        if built is None:
            return faults
        settings = [(self.own(params, name), self.merge(params, name)) for name in mapping(params.get("datasets"))]
        return [
            Fault(".".join([self.section, *map(str, one.place)]), one.text)
            for one in self.unread(built)
            if not any(is_written(merged, one.place) and not is_written(own, one.place) for own, merged in settings)
        ]

    def load(self, name: str, path: Path = PARAMS) -> Model:
        """Load the settings of a data set.

        Raises:
            ConfigError: There is no such data set, or a bad key or value; one line with the key's path.
        """
        params = read_params(path)
        entry("datasets", name, path)
        built, faults = self.examine(params, name)
        refuse(path, [*self.examine_shared(params), *faults])
        return cast(Model, built)

    def _examine(self, data: Mapping[str, Any], prefix: str) -> tuple[Model | None, list[Fault]]:
        built, faults = examine(self.model, data, prefix, unread=True)
        if built is None:
            return None, faults
        idle = [Fault(".".join([prefix, *map(str, one.place)]), one.text) for one in self.unread(built)]
        return (None if idle else built), idle


ALIGN = Overridable("align", AlignConfig)
"""Section ``align``; ``fer_au.faces.settings`` knows what a detector leaves to decide, too."""

LANDMARKS = Overridable("landmarks", LandmarksConfig)

OVERRIDABLE: Mapping[str, Overridable[Any]] = {"align": ALIGN, "landmarks": LANDMARKS}


def stage_settings(params: Mapping[str, Any], stage: str, name: str) -> dict[str, Any]:
    """Give all that a stage takes of ``params.yaml`` for a data set, plain data.

    Args:
        params: The whole of ``params.yaml``.
        stage: One of ``STAGES``; ``ingest`` takes the entry of the data set, without the keys of other sections.
        name: Name of the data set.
    """
    if stage in OVERRIDABLE:
        return OVERRIDABLE[stage].merge(params, name)
    return without_own(mapping(mapping(params.get("datasets")).get(name)))


def without_own(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Copy an entry of ``datasets`` without its keys of other sections: what ``ingest`` reads of it."""
    return {key: value for key, value in dataset.items() if key not in OVERRIDABLE}


def stamped_settings(params: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Give what all of ``STAGES`` take of ``params.yaml``: stage -> data set -> settings."""
    names = mapping(params.get("datasets"))
    return {stage: {str(name): stage_settings(params, stage, str(name)) for name in names} for stage in STAGES}

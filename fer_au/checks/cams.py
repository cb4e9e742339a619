"""CAMs that some networks can't have: gathered over all experiments, since one that none can have is a mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from fer_au.config.cams import SKIP_REMEDY
from fer_au.config.reading import Fault
from fer_au.results.changes import shorten


class LackingCams:
    """The CAMs of ``evaluate.cams`` that networks can't have, experiment by experiment."""

    def __init__(self) -> None:
        self._known = 0
        self._unknown = 0
        self._names: dict[str, dict[str, list[str]]] = {}  # CAM -> reason -> experiments

    def note(self, key: str, lacking: Mapping[str, str] | None) -> None:
        """Take down what an experiment's network lacks.

        Args:
            key: Key of the experiment, such as ``experiments.au``.
            lacking: CAM -> reason; None if the network isn't known, because its own keys are wrong.
        """
        if lacking is None:
            self._unknown += 1
            return
        self._known += 1
        for cam, reason in lacking.items():
            self._names.setdefault(cam, {}).setdefault(reason, []).append(key.removeprefix("experiments."))

    def faults(self, on_missing: Literal["fail", "skip"]) -> Iterator[Fault]:
        """Say what is wrong: a CAM that no network has, and where none may be skipped, one that some lack."""
        for cam, reasons in self._names.items():
            everywhere = sum(map(len, reasons.values())) == self._known
            for reason, names in reasons.items():
                if everywhere and not (self._unknown and on_missing == "skip"):
                    yield Fault("evaluate.cams", f"{cam}: {reason}")
                elif on_missing == "fail":
                    yield Fault("evaluate.cams", f"{cam}: {reason} ({shorten(names)}); or {SKIP_REMEDY}")

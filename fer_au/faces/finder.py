"""Base of detectors and extractors: options, weights, and the fingerprint under which their results are cached."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from fer_au.assets import Weights, find_weights
from fer_au.config.options import PartOptions
from fer_au.fingerprints import fingerprint


class Finder(ABC):
    """Base of parts that find something in pictures; picklable, deterministic, equal where class and options are.

    A part that has options declares them in a nested class ``Options`` and annotates its attribute ``options`` with it.

    Args:
        options: Options of the part.

    Attributes:
        Options: Options of the part, with types, defaults and descriptions.
        version: Number that is raised whenever the code gives other results: cached ones are then not taken.
        weights: Weights files that the part reads, by their keys in the fingerprint.
        options: Options of this instance.
    """

    Options: ClassVar[type[PartOptions]] = PartOptions
    version: ClassVar[int]
    weights: ClassVar[Mapping[str, Weights]] = {}
    options: PartOptions

    def __init__(self, **options: object) -> None:
        self.options = self.Options.model_validate(options)

    @property
    @abstractmethod
    def operation(self) -> str:
        """Name of the operation in fingerprints, such as ``landmarks/dlib68``."""

    def constants(self) -> Mapping[str, object]:
        """Return constants of the code and contents of tables that decide the result, for the fingerprint."""
        return {}

    @property
    def fingerprint(self) -> str:
        """sha256 of everything that decides a result: name, version, options, weights and constants."""
        hashes = {key: weights.sha256 for key, weights in self.weights.items()}
        identity = {**self.options.model_dump(mode="json"), **hashes, **self.constants()}
        return fingerprint(self.operation, self.version, identity)

    def check(self) -> None:
        """Find the packages and weights that the work will load; called once, before it begins.

        Raises:
            MissingDependencyError: One of them is not installed; the message tells the command that installs it.
        """
        for weights in self.weights.values():
            find_weights(weights)

    def load(self) -> None:
        """Load what worker processes can share with their parent, before they are started; by default nothing."""
        return

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Finder) and self.options == other.options

    def __hash__(self) -> int:
        return hash((type(self), self.options))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.options})"

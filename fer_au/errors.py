"""The exceptions of the project."""

from __future__ import annotations

from collections.abc import Sequence


class FerAuError(Exception):
    """Base of every error a user can cause or meet; the message is one clear line."""


class ConfigError(FerAuError):
    """A wrong or unknown key or value in ``params.yaml``, a codebook or another configuration file."""


class ConfigProblemsError(ConfigError):
    """All problems of a configuration file at once.

    Attributes:
        lines: Problems, one line each.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


class UnknownNameError(ConfigError):
    """A name that no registry entry has; the message lists the near names."""


class MissingDependencyError(FerAuError):
    """An optional package or a weights file is absent; the message says how to get it."""


class DataError(FerAuError):
    """A data set, label file or artefact can't be used; the message names it."""


class StoreError(DataError):
    """An HDF5 store is damaged, of another schema or of another version."""

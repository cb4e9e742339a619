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


class MissingCamError(ConfigError):
    """A network can't have a CAM that other networks have.

    Attributes:
        cam: The CAM as it was asked for.
        reason: What the network lacks, and what to choose.
    """

    def __init__(self, cam: str, reason: str) -> None:
        super().__init__(f"{cam}: {reason}")
        self.cam, self.reason = cam, reason


class MissingDependencyError(FerAuError):
    """An optional package or a weights file is absent; the message says how to get it."""


class PartError(FerAuError):
    """A part, such as another package's cue, gave what its kind doesn't allow; the message names it and its answer."""


class DataError(FerAuError):
    """A data set, label file or artefact can't be used; the message names it."""


class StoreError(DataError):
    """An HDF5 store is damaged, of another schema or of another version."""


class ArgumentError(DataError, ValueError):
    """An argument of a public function has a wrong type, shape or value; the message names it and what to pass."""


class UnknownNameError(ConfigError, ArgumentError):
    """A name that no registry entry has, in a file or as an argument; the message lists the near names."""

"""Read the scores of maps that were made elsewhere, which ``fer-au measure`` writes: ``metrics/external/NAME.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fer_au.evaluation.metrics_file import Metric, read_metrics
from fer_au.fingerprints import fingerprint

EXTERNAL = Path("metrics/external")
"""Folder of these metrics, below the project's."""
_VERSION = 1  # counts changes of what decides these scores


@dataclass(frozen=True)
class ExternalResult:
    """Scores of maps that were made elsewhere.

    Attributes:
        name: What made the maps: the name of the file.
        metrics: All metrics.
    """

    name: str
    metrics: dict[str, Metric]

    @property
    def dataset(self) -> str:
        """Data set whose faces the maps are of."""
        return str(self.metrics.get("external.dataset", ""))

    def is_of(self, hashes: Mapping[str, str]) -> bool:
        """Tell whether the data set still is what it was; ``hashes`` as of ``FaceDataset.content_hashes``."""
        return self.metrics.get("external.data") == data_digest(hashes)


def read_external(root: Path) -> list[ExternalResult]:
    """Read all of a project folder, by name.

    Raises:
        DataError: A file is damaged, or its details are missing.
    """
    return [ExternalResult(path.stem, read_metrics(path)) for path in sorted((root / EXTERNAL).glob("*.json"))]


def data_digest(hashes: Mapping[str, str]) -> str:
    """Hash the files of a data set that scores of maps depend on, of their hashes by name."""
    return fingerprint("measure", _VERSION, {name: hashes[name] for name in sorted(hashes)})

"""A data set adapter: one line per picture."""

from __future__ import annotations

from fer_au.datasets import Adapter
from fer_au.datasets.base import Record, Scan
from fer_au.datasets.files import check_root
from fer_au.datasets.labels import LabelledConfig, parse_label
from fer_au.errors import DataError
from fer_au.rejects import Reject


class LabLinesConfig(LabelledConfig):
    """Entry of a data set in ``params.yaml``.

    Attributes:
        lines: File below the root, each line of which is a label and the path of a picture.
    """

    lines: str = "faces.txt"


class LabLines(Adapter[LabLinesConfig]):
    """Reads labels and paths from the lines of a text file."""

    Config = LabLinesConfig

    def scan(self, config: LabLinesConfig) -> Scan:
        """List the labelled pictures."""
        check_root(config.root)
        file = config.root / config.lines
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise DataError(f"{file}: {error.strerror}") from error
        records, rejects = [], []
        for text, _, path in (line.partition(" ") for line in lines):
            label = parse_label(text, config.label_map)
            if isinstance(label, str):
                records.append(Record(path, label))
            else:
                rejects.append(Reject(path, *label))
        return Scan(tuple(records), tuple(rejects))

"""Training curves for those who watch: event files of TensorBoard, in ``.fer_au/logs/<experiment>``.

``FER_AU_LOG=tensorboard`` writes them. It is environment and not a key of ``params.yaml``, since DVC and the memory of
finished trainings would take a key for a reason to train again. They lie outside ``models/``, since DVC deletes a
stage's outputs before it runs the stage.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fer_au.errors import ConfigError, MissingDependencyError, StoreError
from fer_au.training.history import HistoryRow

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOGS = Path(".fer_au/logs")
_VARIABLE = "FER_AU_LOG"
_TENSORBOARD = "tensorboard"


class CurveLog:
    """The curves of one training, which always hold the epochs of its ``history.csv``, each once.

    The folder is emptied where a training begins or goes on, and its epochs so far are written anew: what a killed run
    or an earlier training of this name left there can't stand beside them.

    Args:
        name: Experiment name, which is the folder's.
        wanted: Whether this process writes; one of those that train together does.
        root: Folder of all logs.

    Raises:
        ConfigError: ``FER_AU_LOG`` names something else.
        MissingDependencyError: TensorBoard's package is not installed.
    """

    def __init__(self, name: str, wanted: bool = True, root: Path = LOGS) -> None:
        self.folder = root / name
        self._wanted = _is_asked_for() and wanted
        self._written = 0
        self._writer: SummaryWriter | None = None

    def write(self, history: Sequence[HistoryRow]) -> None:
        """Write the epochs that are not written yet, to the disk; cells without a value are left out.

        Args:
            history: All epochs so far.

        Raises:
            StoreError: The disk refuses.
        """
        if not self._wanted:
            return
        try:
            writer = self._writer = self._writer or self._begin()
            for row in history[self._written :]:
                cells = row.cells()
                epoch = int(cells.pop("epoch"))
                for column, text in cells.items():
                    if text:
                        writer.add_scalar(column, float(text), epoch)
            writer.flush()
        except OSError as error:
            raise StoreError(f"{self.folder}: {error.strerror or error}; unset {_VARIABLE} to train without") from error
        self._written = len(history)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def _begin(self) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        if self.folder.exists():
            shutil.rmtree(self.folder)
        # `purge_step` tells a TensorBoard that is running to forget what it read from the file before.
        return SummaryWriter(str(self.folder), purge_step=0)


def _is_asked_for() -> bool:
    """Tell whether ``FER_AU_LOG`` asks for curves, and check that they can be written."""
    asked = os.environ.get(_VARIABLE, "").strip()
    if asked not in ("", _TENSORBOARD):
        raise ConfigError(f"{_VARIABLE} must be {_TENSORBOARD} or unset, not {asked!r}")
    if asked:
        try:
            import torch.utils.tensorboard  # noqa: F401
        except ImportError as error:
            raise MissingDependencyError(
                f"{_VARIABLE} is set, and tensorboard is not installed; run `pip install 'fer-au[watch]'`"
            ) from error
    return bool(asked)

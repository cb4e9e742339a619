"""Training checkpoints: the state from which a killed training continues exactly; safetensors, no pickle.

They live in ``.fer_au/checkpoints/<key>`` since DVC deletes a stage's outputs before it runs the stage. The key
hashes the configuration and the inputs' content, so that only the same training ever continues from a checkpoint.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from fer_au.atomic import write_atomically
from fer_au.compute import log
from fer_au.fingerprints import fingerprint
from fer_au.training.history import HistoryRow

CHECKPOINTS = Path(".fer_au/checkpoints")
_VERSION = 3
_FILE = "state.safetensors"


@dataclass
class TrainingState:
    """State of a training between two epochs.

    Attributes:
        epoch: Epochs done.
        model: Tensors of the model.
        optimizer: ``optimizer.state_dict()["state"]``: parameter number -> tensors.
        average: Tensors of the moving average of the model, its number of steps included; empty without one.
        best: The selected epoch's tensors.
        history: One row per epoch done.
        scale: The gradient scaler's state (fp16 only).
    """

    epoch: int = 0
    model: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[HistoryRow] = field(default_factory=list)
    scale: dict[str, float] = field(default_factory=dict)


class Checkpoint:
    """The place of one training's state.

    Args:
        identity: Everything that decides the training: configuration and content hashes, plain JSON data.
        root: Folder of all checkpoints.
    """

    def __init__(self, identity: Mapping[str, object], root: Path = CHECKPOINTS) -> None:
        self.folder = root / fingerprint("training", _VERSION, identity)
        self.path = self.folder / _FILE

    def save(self, state: TrainingState) -> None:
        """Replace the state on disk as a whole.

        Raises:
            StoreError: The disk refuses.
        """
        record = {
            "epoch": state.epoch,
            "history": [row.to_json() for row in state.history],
            "scale": state.scale,
        }
        write_atomically(self.path, safetensors.torch.save(_flatten(state), {"state": json.dumps(record)}))

    def load(self) -> TrainingState | None:
        """Load the state on disk; None if there is none, or if it is damaged, which is logged: training starts anew."""
        if not self.path.exists():
            return None
        try:
            with safetensors.safe_open(self.path, framework="pt") as file:
                record = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            return _unflatten(record, tensors)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            log(f"{self.path}: damaged checkpoint, training starts anew ({type(error).__name__}: {error})")
            return None

    def remove(self) -> None:
        """Forget the training, which is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _flatten(state: TrainingState) -> dict[str, Tensor]:
    parts = {"model": state.model, "average": state.average, "best": state.best}
    tensors = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
    for number, values in state.optimizer.items():
        tensors |= {f"optimizer/{number}/{key}": value for key, value in values.items()}
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def _unflatten(record: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> TrainingState:
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "best": {}}
    optimizer: dict[int, dict[str, Tensor]] = {}
    for path, value in tensors.items():
        part, name = path.split("/", 1)
        if part == "optimizer":
            number, key = name.split("/", 1)
            optimizer.setdefault(int(number), {})[key] = value
        else:
            parts[part][name] = value
    return TrainingState(
        epoch=int(record["epoch"]),
        model=parts["model"],
        optimizer=optimizer,
        average=parts["average"],
        best=parts["best"],
        history=[HistoryRow.from_json(row) for row in record["history"]],
        scale=dict(record["scale"]),
    )


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """Copy an optimiser's state as tensors only; its settings come from the configuration."""
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    return {
        number: {key: value for key, value in values.items() if isinstance(value, Tensor)}
        for number, values in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Put back what ``optimizer_tensors`` took."""
    optimizer.load_state_dict({**optimizer.state_dict(), "state": {n: dict(values) for n, values in state.items()}})

"""Training checkpoints: the state from which a killed training continues exactly; safetensors, no pickle.

They live in ``.fer_au/checkpoints/<key>`` since DVC deletes a stage's outputs before it runs the stage. The key
hashes the configuration and the inputs' content, so that only the same training ever continues from a checkpoint.

The entry ``sha256`` of the file's header is the sha256 of its bytes with zeros in place of these digits: training goes
on from what it wrote, bit for bit, or starts anew.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from fer_au.atomic import write_atomically
from fer_au.fingerprints import fingerprint
from fer_au.gate import WEIGHTS, read_bytes
from fer_au.shards.damaged import set_aside
from fer_au.training.history import HistoryRow

CHECKPOINTS = Path(".fer_au/checkpoints")
_VERSION = 4
_FILE = "state.safetensors"
_BLANK = b"0" * 64
_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')
MOST_BYTES = 4 * WEIGHTS  # the model, its average, the selected epoch's, and an optimiser's two per weight
_PARTS = ("model", "average", "best")


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
        header = {"state": json.dumps(record), "key": self.folder.name, "sha256": _BLANK.decode()}
        data = bytearray(safetensors.torch.save(_flatten(state), header))
        place = _digest_place(data)
        data[place : place + len(_BLANK)] = hashlib.sha256(data).hexdigest().encode()
        write_atomically(self.path, data)

    def load(self, fresh: TrainingState, parameters: Sequence[Tensor]) -> TrainingState | None:
        """Load the state on disk; None if there is none, or if it is damaged, which is logged: training starts anew.

        Args:
            fresh: The training's state before its first epoch, whose tensors tell names, shapes and types.
            parameters: Parameters that the optimiser updates, in its order.
        """
        if not self.path.exists():
            return None
        try:
            data = read_bytes(self.path, MOST_BYTES)
            place = _digest_place(data)
            blank = data[:place] + _BLANK + data[place + len(_BLANK) :]
            if hashlib.sha256(blank).hexdigest().encode() != data[place : place + len(_BLANK)]:
                raise ValueError("its sha256 is not the one that it records")
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
            if header["key"] != self.folder.name:
                raise ValueError("it belongs to another training")
            state = _unflatten(json.loads(header["state"]), safetensors.torch.load(data))
            _check(state, fresh, parameters)
        except Exception as error:  # a stranger's numbers and texts raise nearly everything
            reason = " ".join(str(error).split()) or type(error).__name__
            set_aside(self.folder, self.folder.parents[1], f"damaged checkpoint ({reason})", "training starts anew")
            return None
        return state

    def remove(self) -> None:
        """Forget the training, which is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _digest_place(data: bytes | bytearray) -> int:
    """Find the digits of the digest in the header of a file.

    Raises:
        ValueError: There are none, or no header.
    """
    length = int.from_bytes(data[:8], "little")
    found = _DIGEST.search(data, 8, min(8 + length, len(data)))
    if found is None:
        raise ValueError("it records no sha256")
    return found.start(1)


def _check(state: TrainingState, fresh: TrainingState, parameters: Sequence[Tensor]) -> None:
    """Check that a state is one of this training.

    Raises:
        ValueError: It isn't.
    """
    wanted = {"model": fresh.model, "average": fresh.average, "best": fresh.model}
    for part in _PARTS:
        found, like = getattr(state, part), wanted[part]
        if found.keys() != like.keys():
            raise ValueError(f"the names of {part} are not those of this model")
        for name, value in found.items():
            if value.shape != like[name].shape or value.dtype != like[name].dtype:
                raise ValueError(f"{part}/{name} is {value.dtype} {list(value.shape)}")
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise ValueError(f"{part}/{name} is not finite")
    for number, values in state.optimizer.items():
        for key, value in values.items():
            if not 0 <= number < len(parameters) or (value.ndim and value.shape != parameters[number].shape):
                raise ValueError(f"optimizer/{number}/{key} belongs to no parameter")
    if not 0 < state.epoch == len(state.history) or [row.epoch for row in state.history] != list(range(state.epoch)):
        raise ValueError(f"{len(state.history)} rows of history after {state.epoch} epochs")


def _flatten(state: TrainingState) -> dict[str, Tensor]:
    parts = {"model": state.model, "average": state.average, "best": state.best}
    tensors = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
    for number, values in state.optimizer.items():
        tensors |= {f"optimizer/{number}/{key}": value for key, value in values.items()}
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def _unflatten(record: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> TrainingState:
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
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

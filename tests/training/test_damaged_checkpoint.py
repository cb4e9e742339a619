"""A checkpoint that is not, bit for bit, what this training wrote is set aside, and the training starts anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fer_au.training import checkpoint as module
from fer_au.training.checkpoint import Checkpoint, TrainingState
from fer_au.training.history import HistoryRow
from fer_au.training.trainer import Trainer
from tests.training.toy import make_trainer, settings

FLIPS = 400
ROW = HistoryRow(0, 0.1, 1.0, 1.0, {}, 0.5, 0.5, 0.5, 1.0, 100.0)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tensors(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {"weight": torch.randn(16, 8, generator=generator), "count": torch.tensor(3)}


def state() -> TrainingState:
    optimizer = {0: {"step": torch.tensor(2.0), "exp_avg": tensors(2)["weight"]}}
    return TrainingState(1, tensors(0), optimizer, {}, tensors(1), [ROW], {})


def load(checkpoint: Checkpoint) -> TrainingState | None:
    return checkpoint.load(TrainingState(model=tensors(0)), [tensors(0)["weight"]])


def test_what_was_saved_comes_back(here: Path) -> None:
    checkpoint = Checkpoint({"run": 1})
    assert load(checkpoint) is None
    checkpoint.save(state())
    found = load(checkpoint)
    assert found is not None
    assert torch.equal(found.model["weight"], state().model["weight"])
    assert (found.epoch, found.history, list(found.optimizer)) == (1, [ROW], [0])


def test_every_flipped_bit_and_cut_is_found(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint({"run": 1})
    checkpoint.save(state())
    whole = checkpoint.path.read_bytes()
    said: list[str] = []
    monkeypatch.setattr(module, "set_aside", lambda *parts: said.append(" ".join(map(str, parts[2:]))))
    rng = np.random.default_rng(0)
    places = {*rng.integers(0, len(whole), FLIPS).tolist(), *range(0, 16), len(whole) - 1}
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        checkpoint.path.write_bytes(damaged)
        assert load(checkpoint) is None, place
    cuts = [0, 1, 8, 100, len(whole) // 2, len(whole) - 1]
    for length in cuts:
        checkpoint.path.write_bytes(whole[:length])
        assert load(checkpoint) is None, length
    checkpoint.path.write_bytes(bytes(len(whole)))
    assert load(checkpoint) is None
    assert len(said) == len(places) + len(cuts) + 1
    assert all("\n" not in line and line.endswith("training starts anew") for line in said)
    checkpoint.path.write_bytes(whole)
    assert load(checkpoint) is not None


def reshape(state: TrainingState) -> TrainingState:
    return replace(state, model={**state.model, "weight": state.model["weight"][:, :4]})


SEALED: dict[str, Callable[[TrainingState], TrainingState]] = {
    "a tensor of another shape": reshape,
    "a tensor of another type": lambda s: replace(s, best={**s.best, "weight": s.best["weight"].double()}),
    "a tensor less": lambda s: replace(s, model={"weight": s.model["weight"]}),
    "a tensor more": lambda s: replace(s, best={**s.best, "more": torch.zeros(1)}),
    "an average that this training has not": lambda s: replace(s, average=tensors(0)),
    "NaN": lambda s: replace(s, model={**s.model, "weight": torch.full((16, 8), float("nan"))}),
    "a parameter's state of another shape": lambda s: replace(s, optimizer={0: {"exp_avg": torch.zeros(3)}}),
    "a parameter that is not there": lambda s: replace(s, optimizer={7: {"step": torch.tensor(1.0)}}),
    "an epoch more than rows": lambda s: replace(s, epoch=2),
    "rows of other epochs": lambda s: replace(s, history=[replace(ROW, epoch=4)]),
    "no epoch": lambda s: replace(s, epoch=0, history=[]),
}


@pytest.mark.parametrize("case", SEALED)
def test_a_sealed_state_of_no_such_training_is_set_aside(
    here: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Checkpoint({"run": 1})
    checkpoint.save(SEALED[case](state()))
    assert load(checkpoint) is None
    (line,) = capfd.readouterr().err.splitlines()
    assert "damaged checkpoint" in line
    assert line.endswith("training starts anew")
    assert not checkpoint.folder.exists()
    assert len(list(Path(".fer_au/damaged").iterdir())) == 1


def test_the_checkpoint_of_another_training_is_set_aside(here: Path) -> None:
    other, checkpoint = Checkpoint({"run": 2}), Checkpoint({"run": 1})
    other.save(state())
    other.folder.rename(checkpoint.folder)
    assert load(checkpoint) is None
    assert load(other) is None


@pytest.mark.parametrize("part", ["header", "model/", "optimizer/", "best/"])
def test_a_training_whose_checkpoint_was_damaged_ends_as_if_it_had_none(
    dataset_dir: Path, part: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fit(identity: str, *, stop: bool = False) -> dict[str, Tensor]:
        trainer, faces = make_trainer(dataset_dir, settings(epochs=2))
        with monkeypatch.context() as patch:
            if stop:
                epochs = Trainer._train_epoch
                patch.setattr(
                    Trainer, "_train_epoch", lambda self, epoch, *a: epochs(self, epoch, *a) if epoch < 1 else 1 / 0
                )
            return trainer.fit(faces, faces, Checkpoint({"run": identity}), Path("history.csv")).tensors

    straight = fit("straight")
    with pytest.raises(ZeroDivisionError):
        fit("damaged", stop=True)
    path = Checkpoint({"run": "damaged"}).path
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    first = (
        min(entry["data_offsets"][0] for name, entry in header.items() if name.startswith(part)) if "/" in part else 0
    )
    data[8 + length + first + 2 if "/" in part else 20] ^= 4
    path.write_bytes(data)
    capfd.readouterr()
    damaged = fit("damaged")
    assert "damaged checkpoint" in capfd.readouterr().err
    assert all(torch.equal(straight[name], damaged[name]) for name in straight)

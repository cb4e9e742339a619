"""Several processes train as one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.shared.blobs import CENTRES, Blob, many
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.errors import ConfigError
from fer_au.models import create_model
from fer_au.training import train_experiment
from fer_au.training.processes import Processes, cut_part, has_unused_parameters
from tests.training.forks import Forks
from tests.training.together import BREAK

ROOT = Path(__file__).parents[2]
NONE = Path("models/none")
# LayerNorm throughout: batch normalisation has other statistics where a batch is divided. Layer 2, since right after a
# LayerNorm, as layer 1 is, the channel mean is rounding noise.
EXPERIMENT = {
    "dataset": "blobs",
    "model": {"backbone": "test_convnext"},
    "guidance": [{"cue": "au", "loss": "cosine", "layers": ["2"], "weight": 4.0}],
}
# 45 faces: three batches of 14, of which each process takes seven or so, and one of three, of which one has none.
TRAIN = {
    "epochs": 2,
    "batch_size": 14,
    "image_size": 32,
    "precision": "fp32",
    "optimizer": {"name": "adamw", "lr": 3e-3},
}
EVERYTHING = {
    "class_weights": "balanced",
    "label_smoothing": 0.1,
    "sampling": "balanced",
    "clip_grad": 1.0,
    "ema": 0.9,
    "augment": {"mixup": 0.4, "cutmix": 0.4, "noise": 0.02},
    "freeze": [{"epochs": 1, "layers": 2}],
}


@pytest.fixture
def faces_dir(make_dataset: Callable[[Sequence[Blob]], Path]) -> Path:
    blobs = [blob for label in CENTRES for blob in [*many(label, 10), *many(label, 2, "valid")]]
    return make_dataset([*blobs, *many("anger", 5)])


@dataclass(frozen=True)
class Launched:
    """Trains in two processes, forked here or started by torch's launcher."""

    forks: Forks
    data: Path

    def train(self, train: dict[str, Any], out: Path, *, break_in: int | None = None) -> str:
        """Train; the first process may die in an epoch. Gives what they wrote to stderr."""
        broken = {} if break_in is None else {BREAK: str(break_in)}
        arguments = json.dumps(EXPERIMENT), json.dumps(train), str(self.data), str(out)
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("ACCELERATE_USE_CPU")  # as a user's shell is
            patch.setenv("FER_AU_CACHE", f"{out}.cache")  # else a training of other processes would be fetched
            group = self.forks.together(2, "tests.training.together:train", *arguments, **broken)
        assert any(group.wait()) == (break_in is not None), group.said
        return group.said

    def launch(self, train: dict[str, Any], out: Path) -> str:
        """Train as a user does, with torch's launcher."""
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        arguments = [json.dumps(EXPERIMENT), json.dumps(train), str(self.data), str(out)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "FER_AU_CACHE": f"{out}.cache"}
        del environment["ACCELERATE_USE_CPU"]
        command = [sys.executable, *launcher, "-m", "tests.training.together", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr


@pytest.fixture
def pair(faces_dir: Path, forks: Forks) -> Launched:
    return Launched(forks, faces_dir)


def weights_of(folder: Path) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in load_file(folder / "model.safetensors").values()])


def alone(train: dict[str, Any], data: Path) -> Path:
    """Train in this process; gives the model's folder."""
    out = Path("models/alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_AU_CACHE", "alone.cache")  # what the workspace's own holds is found from anywhere
        settings = ExperimentConfig.model_validate(EXPERIMENT), TrainConfig.model_validate(train)
        train_experiment("au", *settings, data, NONE, out)
    return out


def check_same_end(one: Path, two: Path, said: str) -> None:
    """Two processes have trained the model that one process does, up to rounding, and one of them spoke for both."""
    start = torch.cat(
        [value.flatten() for value in create_model(EXPERIMENT["model"], sorted_classes(), seed=0).state_dict().values()]
    )
    moved = (weights_of(one) - start).norm()
    assert (weights_of(two) - weights_of(one)).norm() < 1e-4 * moved
    histories = [(folder / "history.csv").read_text().splitlines() for folder in (one, two)]
    for line_of_one, line_of_two in zip(*histories, strict=True):
        if not line_of_one.startswith("epoch"):
            values = ([float(cell) for cell in line.split(",")[:-1]] for line in (line_of_one, line_of_two))
            assert next(values) == pytest.approx(next(values), rel=1e-3, abs=1e-4)
    assert said.count("au 1/2: loss") == 1


@pytest.mark.slow
def test_two_launched_processes_end_where_one_does(pair: Launched) -> None:
    said = pair.launch(TRAIN, Path("models/pair"))
    check_same_end(alone(TRAIN, pair.data), Path("models/pair"), said)


@pytest.mark.slow
def test_processes_that_died_go_on_together_and_end_in_the_same_bits_where_one_does(pair: Launched) -> None:
    train = {**TRAIN, **EVERYTHING}
    straight, broken = Path("models/straight"), Path("models/broken")
    said = pair.train(train, straight)
    check_same_end(alone(train, pair.data), straight, said)
    pair.train(train, broken, break_in=1)
    assert not (broken / "model.safetensors").exists()
    assert pair.train(train, broken).count("au: goes on after epoch 1 of 2") == 1
    assert torch.equal(weights_of(straight), weights_of(broken))


def sorted_classes() -> list[str]:
    from fer_au.expressions import ordered

    return list(ordered(CENTRES))


@pytest.mark.parametrize("total", [1, 2, 3, 4, 7, 14, 64, 65])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_parts_cover_a_batch_in_whole_pairs(total: int, count: int) -> None:
    parts = [cut_part(total, index, count) for index in range(count)]
    taken = [row for part in parts if part.counts for row in range(total)[part.rows]]
    assert taken == list(range(total))
    assert parts[0].counts
    sizes = [len(range(total)[part.rows]) for part in parts]
    assert all(part.rows.start % 2 == 0 for part in parts)
    assert min(sizes) >= min(total, 2)
    real = [size for size, part in zip(sizes, parts, strict=True) if part.counts]
    assert max(real) - min(real) <= 3


def test_one_process_takes_everything_and_changes_nothing() -> None:
    processes = Processes()
    model = create_model({"backbone": "test_convnext"}, ["neutral", "anger"], seed=0)
    assert processes.first
    assert processes.part(7) == (slice(0, 7), 7, True)
    assert processes.wrap(model, torch.zeros(2, 3, 32, 32)) is model
    assert torch.equal(processes.mean(torch.tensor([3.0])), torch.tensor([3.0]))
    assert str(processes) == "cpu"


def test_processes_that_cannot_train_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate.state import AcceleratorState, PartialState

    monkeypatch.setenv("WORLD_SIZE", "2")  # but no LOCAL_RANK, and accelerate has decided already
    PartialState()
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    with pytest.raises(ConfigError, match="2 processes were launched, but 1 can train together on cpu"):
        Processes()
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.parametrize("others", [{}, {"RANK": "0"}, {"WORLD_SIZE": "1", "RANK": "0"}])
def test_a_local_rank_that_no_launcher_set_is_ignored_and_said(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], others: dict[str, str]
) -> None:
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    for name, value in {"LOCAL_RANK": "0", **others}.items():
        monkeypatch.setenv(name, value)
    processes = Processes()
    assert (processes.count, processes.first) == (1, True)
    assert capfd.readouterr().err.startswith("LOCAL_RANK is ignored: without ")
    assert "LOCAL_RANK" not in os.environ
    AcceleratorState._reset_state(reset_partial_state=True)


def test_a_parameter_that_plays_no_part_is_found() -> None:
    model = create_model({"backbone": "test_convnext"}, ["neutral", "anger"], seed=0)
    inputs = torch.zeros(2, 3, 32, 32)
    assert not has_unused_parameters(model, inputs)
    model.head.idle = torch.nn.Linear(2, 2)
    assert has_unused_parameters(model, inputs)
    model.head.idle.requires_grad_(False)
    assert not has_unused_parameters(model, inputs)

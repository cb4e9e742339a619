"""Training and evaluation stopped at every step of their last writes: nothing is trained twice, nothing half there.

A step is a call that changes the file system. What ``kill -9`` leaves is a copy of the files before that step; Ctrl-C
is an exception in its place, after which the code tidies up. Then DVC deletes the stage's outputs, and the next run
starts.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.shared.blobs import CENTRES, many, write_dataset
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.errors import StoreError
from fer_au.evaluation import stage as evaluation
from fer_au.shards.finished import FinishedWork
from fer_au.stores import Store, write_store
from fer_au.training import progress
from fer_au.training import stage as training
from fer_au.training.trainer import Trainer
from tests.reliability.workspace import REMEDY

EPOCHS = 2
FULL = "No space left on device"
MODEL = ("model.safetensors", "config.json")
EXPERIMENT = ExperimentConfig.model_validate(
    {
        "dataset": "blobs",
        "model": {"backbone": "test_resnet", "output_stride": 8},
        "guidance": [{"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 4.0}],
    }
)
TRAIN = TrainConfig.model_validate({"epochs": EPOCHS, "batch_size": 16, "image_size": 32, "precision": "fp32"})
EVALUATE = EvaluateConfig(cams=("native",), faithfulness_images=0, moved=False)
CHANGING = ("open", "pwrite", "fsync", "replace", "rename", "unlink", "rmdir", "mkdir", "chmod", "fchmod", "utime")

SCORER = evaluation.SplitScorer
SCORED: list[Any] = []

Act = Callable[[int], None]


@contextmanager
def acting_before_each_step(act: Act) -> Iterator[None]:
    """Call a function with the number of each step, just before it; its own steps don't count."""
    count, acting = 0, False

    def watched(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            nonlocal count, acting
            if not acting and (name != "open" or args[1] & os.O_CREAT):
                acting = True
                try:
                    act(count)
                finally:
                    count, acting = count + 1, False
            return plain(*args, **options)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGING:
            patch.setattr(os, name, watched(name, getattr(os, name)))
        yield


class Lab:
    """A folder with data, models, checkpoints and a cache.

    Args:
        folder: The folder; made, or a copy of another lab's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def copy(self, folder: Path) -> Lab:
        """Copy all that changes."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Lab(folder)

    def train(self, act: Act | None = None) -> list[int]:
        """Run the stage; the epochs that were begun."""
        begun: list[int] = []
        epoch = Trainer._train_epoch

        def observed(trainer: Trainer, number: int, *args: Any) -> Any:
            begun.append(number)
            return epoch(trainer, number, *args)

        with self._here(act) as patch:
            patch.setattr(Trainer, "_train_epoch", observed)
            training.train_experiment("au", EXPERIMENT, TRAIN, Path("data"), Path("models/none"), Path("models/au"))
        return begun

    def evaluate(self, act: Act | None = None) -> int:
        """Run the stage; the number of times that the model was scored (once in fact: scores are not at issue)."""
        scored: list[None] = []

        def observed(*args: Any) -> Any:
            scored.append(None)
            if not SCORED:
                scorer = SCORER(*args)
                blocks, late = list(scorer.blocks()), list(scorer.finish())
                scorer.blocks, scorer.finish = lambda: blocks, lambda: late
                SCORED.append(scorer)
            return SCORED[0]

        with self._here(act) as patch:
            patch.setattr(evaluation, "SplitScorer", observed)
            evaluation.evaluate_experiment(
                EVALUATE,
                dataset_dir=Path("data"),
                model_dir=Path("models/au"),
                metrics_path=Path("metrics/au.json"),
                store_path=Path("evaluation/au.h5"),
            )
        return len(scored)

    def delete(self, *outputs: str) -> None:
        """Delete outputs, as DVC does before it runs a stage."""
        for name in outputs:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def files(self, *outputs: str) -> dict[str, bytes]:
        paths = [path for name in outputs for path in (self.folder / name).rglob("*") if path.is_file()]
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in sorted(paths)}

    @property
    def state(self) -> str:
        """Hash of all files. A stage's next run depends on nothing else, so that one run of each state is enough."""
        digest = hashlib.sha256()
        for name, data in self.files("").items():
            digest.update(f"{name} {len(data)} ".encode() + data)
        return digest.hexdigest()

    @property
    def weights(self) -> bytes:
        return (self.folder / "models/au/model.safetensors").read_bytes()

    @property
    def checkpoints(self) -> list[Path]:
        return sorted(self.folder.glob(".fer_au/checkpoints/*/*"))

    @contextmanager
    def _here(self, act: Act | None) -> Iterator[pytest.MonkeyPatch]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setenv("FER_AU_CACHE", str(self.folder / ".fer_au/cache"))
            patch.setenv("FER_AU_WORKERS", "1")
            patch.setenv("ACCELERATE_USE_CPU", "true")
            patch.setattr(os, "fsync", lambda _: None)  # a step like the others, without the wait
            if act is None:
                yield patch
            else:
                with acting_before_each_step(act):
                    yield patch


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("blobs") / "data"
    blobs = [blob for label in CENTRES for blob in [*many(label, 4), *many(label, 1, "valid"), *many(label, 1, "test")]]
    write_dataset(folder, blobs, 0)
    ids = Store.open(folder / "faces.h5", "faces")["id"]
    write_store(folder / "annotations.h5", "annotations", {"id": ids}, fingerprint="a" * 64)
    return folder


@pytest.fixture
def lab(data: Path, tmp_path: Path) -> Lab:
    folder = tmp_path / "lab"
    (folder / ".dvc").mkdir(parents=True)
    (folder / "data").symlink_to(data)
    return Lab(folder)


@pytest.fixture
def trained(lab: Lab, tmp_path: Path) -> Lab:
    """A lab whose training was stopped by Ctrl-C when it began to write the model."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_write", stop)
        with pytest.raises(KeyboardInterrupt):
            lab.train()
    assert len(lab.checkpoints) == 1
    return lab


def killed_at_each_step(lab: Lab, run: Callable[[Act], object], folder: Path) -> dict[int, Lab]:
    """Run a stage; what ``kill -9`` would have left before each step, where a reader could tell it from the last."""
    left: dict[int, Lab] = {}
    seen: list[list[tuple[Path, int]]] = []

    def keep(number: int) -> None:
        paths = [path for path in lab.folder.rglob("*") if path.suffix != ".tmp" and path.is_file()]
        state = sorted((path, path.stat().st_ino) for path in paths)
        if state not in seen[-1:]:
            seen.append(state)
            left[number] = lab.copy(folder / str(number))

    run(keep)
    return left


def stopped_at_each_step(lab: Lab, run: Callable[[Lab, Act], object], folder: Path) -> Iterator[Lab]:
    """Run a stage again and again from the same files, with Ctrl-C in place of each of its steps in turn."""
    for number in range(1000):
        stopped = lab.copy(folder / str(number))

        def act(step: int, number: int = number) -> None:
            if step == number:
                raise KeyboardInterrupt

        try:
            run(stopped, act)
        except KeyboardInterrupt:
            yield stopped
        else:
            return


def test_a_training_killed_at_any_step_trains_no_complete_epoch_again(lab: Lab, tmp_path: Path) -> None:
    complete: list[int] = []  # epochs whose line was written before each step
    said: list[str] = []

    def run(keep: Act) -> None:
        def act(number: int) -> None:
            complete.append(len(said))
            keep(number)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(progress, "log", lambda text: said.append(text) if " valid " in text else None)
            assert lab.train(act) == [*range(EPOCHS)]

    left = killed_at_each_step(lab, run, tmp_path / "left")
    undisturbed = lab.weights
    assert {0, 1, EPOCHS} == {complete[number] for number in left}
    assert lab.checkpoints == []
    for number, killed in left.items():
        killed.delete("models/au")
        begun = killed.train()
        assert len(begun) <= EPOCHS - complete[number]
        assert begun == [*range(EPOCHS - len(begun), EPOCHS)]
        assert killed.weights == undisturbed
        assert killed.checkpoints == []
        killed.delete("models/au")
        assert killed.train() == []
        assert killed.weights == undisturbed


def test_a_training_stopped_at_any_step_of_its_last_writes_trains_nothing_again(trained: Lab, tmp_path: Path) -> None:
    def run(lab: Lab, act: Act) -> None:
        assert lab.train(act) == []

    stops, states = 0, set()
    for stopped in stopped_at_each_step(trained, run, tmp_path / "stopped"):
        stops += 1
        stopped.delete("models/au")
        if stopped.state in states:
            continue
        states.add(stopped.state)
        assert stopped.train() == []
        assert set(stopped.files("models/au")) == {f"models/au/{name}" for name in (*MODEL, "history.csv")}
        assert stopped.checkpoints == []
    assert stops > 20
    assert len(states) > 1


def test_a_cache_that_refuses_is_one_line_before_training_and_evaluation_begin(lab: Lab) -> None:
    refusing = lab.folder / ".fer_au/cache"
    refusing.parent.mkdir()
    refusing.write_bytes(b"no folder")
    line = rf"^{refusing}/finished/\w+: cannot write: [\w ]+; {REMEDY}$"
    with pytest.raises(StoreError, match=line.replace(r"\w+:", "training:")):
        lab.train()
    assert lab.files("models/au") == {}
    assert lab.checkpoints == []
    refusing.unlink()
    assert lab.train() == [*range(EPOCHS)]
    shutil.rmtree(refusing)
    refusing.write_bytes(b"no folder")
    with pytest.raises(StoreError, match=line.replace(r"\w+:", "evaluation:")):
        lab.evaluate()
    assert lab.files("metrics", "evaluation") == {}


def test_a_cache_that_fills_up_while_it_trains_costs_no_epoch(trained: Lab) -> None:
    """DVC deletes the model, since the run ended with an error; the checkpoint stays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FinishedWork, "_write", full)
        for _ in range(2):
            with pytest.raises(StoreError, match=rf"/finished/training/\w+: cannot write: {FULL}; {REMEDY}$"):
                trained.train()
            assert len(trained.checkpoints) == 1
            trained.delete("models/au")
    assert trained.train() == []
    assert trained.checkpoints == []


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, FULL)


def test_who_finishes_the_same_later_never_removes_what_is_kept(trained: Lab, tmp_path: Path) -> None:
    """Two workspaces of one cache train the same: at no step of the second one is the first one's work away."""
    before = trained.copy(tmp_path / "before")
    assert trained.train() == []
    kept = trained.files(".fer_au/cache")
    trained.delete(".fer_au/checkpoints")
    shutil.move(before.folder / ".fer_au/checkpoints", trained.folder / ".fer_au/checkpoints")

    def look(_: int) -> None:
        assert trained.files(".fer_au/cache").items() >= kept.items()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FinishedWork, "take", lambda *_: False)  # it had started before the first one ended
        assert trained.train(look) == []
    assert trained.files(".fer_au/cache") == kept


def test_an_evaluation_ended_at_any_step_is_whole_or_made_anew(trained: Lab, tmp_path: Path) -> None:
    trained.train()
    before = trained.copy(tmp_path / "before")
    left = killed_at_each_step(trained, trained.evaluate, tmp_path / "left")
    outputs = ("metrics", "evaluation")
    undisturbed = trained.files(*outputs)
    assert set(undisturbed) == {"metrics/au.json", "metrics/detail/au.json", "evaluation/au.h5"}
    ends = [*left.values(), *stopped_at_each_step(before, Lab.evaluate, tmp_path / "stopped")]
    scored, states = [], set()
    for ended in ends:
        ended.delete(*outputs)
        if ended.state in states:
            continue
        states.add(ended.state)
        scored.append(ended.evaluate())
        assert ended.files(*outputs) == undisturbed
    assert {0, 1} == set(scored)

"""Curves for those who watch a training: what they hold, and that they decide nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from fer_au.errors import ConfigError, MissingDependencyError, StoreError
from fer_au.training import train_experiment
from fer_au.training.checkpoint import Checkpoint
from fer_au.training.curves import LOGS, CurveLog
from fer_au.training.history import HistoryRow, read_history
from fer_au.training.trainer import Trainer
from tests.training.test_stage import experiment, settings

NONE = Path("models/none")
ROW = HistoryRow(0, 0.1, 1.5, 1.25, {"guidance": float("nan")}, 0.5, 0.25, 0.125, 2.0, 100.0)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.setenv("FER_AU_LOG", "tensorboard")


def points(folder: Path) -> Iterator[tuple[str, int, float]]:
    """What the event files of a folder hold, as they were written: tag, step, value."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    for file in sorted(folder.iterdir()):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                yield value.tag, event.step, float(make_ndarray(value.tensor))


def check_equal_to_history(folder: Path, model: Path) -> None:
    """Each cell of history.csv is there once, and nothing else."""
    columns = read_history(model / "history.csv")
    steps = [int(epoch) for epoch in columns.pop("epoch")]
    expected = {
        (name, step): value for name, column in columns.items() for step, value in zip(steps, column, strict=True)
    }
    found = list(points(folder))
    assert len(found) == len(expected)
    for name, step, value in found:
        assert value == pytest.approx(expected[name, step])


def break_in_epoch(monkeypatch: pytest.MonkeyPatch, end: int) -> None:
    original = Trainer._train_epoch

    def train_epoch(self: Trainer, epoch: int, *rest: Any) -> Any:
        if epoch == end:
            raise KeyboardInterrupt
        return original(self, epoch, *rest)

    monkeypatch.setattr(Trainer, "_train_epoch", train_epoch)


def test_a_watched_training_ends_in_the_same_bytes_and_goes_on_without_double_points(
    dataset_dir: Path, monkeypatch: pytest.MonkeyPatch, watched: None
) -> None:
    with monkeypatch.context() as patch:
        patch.delenv("FER_AU_LOG")
        train_experiment("au", experiment(), settings(epochs=3), dataset_dir, NONE, Path("models/plain"))
        assert not LOGS.exists()
    with monkeypatch.context() as patch:
        break_in_epoch(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            train_experiment("au", experiment(), settings(epochs=3), dataset_dir, NONE, Path("models/au"))
    check_equal_to_history(LOGS / "au", Path("models/au"))  # what is written stays
    assert {step for _, step, _ in points(LOGS / "au")} == {0, 1}
    train_experiment("au", experiment(), settings(epochs=3), dataset_dir, NONE, Path("models/au"))
    check_equal_to_history(LOGS / "au", Path("models/au"))
    assert {step for _, step, _ in points(LOGS / "au")} == {0, 1, 2}
    plain, seen = (load_file(f"models/{name}/model.safetensors") for name in ("plain", "au"))
    assert all(value.equal(seen[name]) for name, value in plain.items())


def test_whether_somebody_watches_is_no_part_of_what_a_training_is(
    dataset_dir: Path, monkeypatch: pytest.MonkeyPatch, watched: None
) -> None:
    keys = []
    original = Trainer.fit

    def fit(self: Trainer, train: Any, selection: Any, checkpoint: Checkpoint, *rest: Any) -> Any:
        keys.append(checkpoint.folder)
        return original(self, train, selection, checkpoint, *rest)

    monkeypatch.setattr(Trainer, "fit", fit)
    for name in ("seen", "unseen"):
        train_experiment(name, experiment(), settings(epochs=1), dataset_dir, NONE, Path("models") / name)
        monkeypatch.delenv("FER_AU_LOG", raising=False)
    assert keys[0] == keys[1]
    assert [folder.name for folder in LOGS.iterdir()] == ["seen"]


def test_cells_without_a_value_are_left_out_and_an_earlier_training_leaves_nothing(
    tmp_path: Path, watched: None
) -> None:
    for accuracy in (0.25, 0.75):
        log = CurveLog("au", root=tmp_path)
        log.write([HistoryRow(0, 0.1, 1.5, 1.25, {"guidance": float("nan")}, 0.5, accuracy, 0.125, 2.0, 100.0)])
        log.close()
    found = {tag: value for tag, _, value in points(tmp_path / "au")}
    assert "guidance" not in found
    assert found["valid_accuracy"] == 0.75
    assert len(found) == len(list(points(tmp_path / "au"))) == 8


def test_only_one_of_several_processes_writes(tmp_path: Path, watched: None) -> None:
    log = CurveLog("au", wanted=False, root=tmp_path)
    log.write([ROW])
    log.close()
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_is_one_clear_line(tmp_path: Path, watched: None) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"logs/au: .*; unset FER_AU_LOG to train without"):
        CurveLog("au", root=tmp_path / "logs").write([ROW])


def test_another_value_is_refused_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_LOG", "wandb")
    with pytest.raises(ConfigError, match="FER_AU_LOG must be tensorboard or unset, not 'wandb'"):
        train_experiment("au", experiment(), settings(), Path("nowhere"), NONE, Path("models/au"))


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_LOG", "tensorboard")
    for name in [name for name in sys.modules if name.startswith(("tensorboard", "torch.utils.tensorboard"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fer-au\[watch\]'"):
        CurveLog("au")

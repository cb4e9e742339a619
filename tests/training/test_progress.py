"""How long a training says it will take."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest

from fer_au.compute import in_words
from fer_au.compute.progress import per_second
from fer_au.presets import expand, load_preset
from fer_au.training import progress as module
from fer_au.training.history import HistoryRow
from fer_au.training.progress import TrainingProgress, advice_for

ROW = HistoryRow(0, 0.1, 1.5, 1.0, {"loss_au": 0.5}, 0.5, 0.6, 0.55, 0.9, 10.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that a test moves by hand: seconds in ``now``."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def test_the_first_steps_tell_how_long_the_training_takes_and_epochs_how_long_the_rest(
    clock: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    progress = TrainingProgress("au", 5, 1, (600, 120))
    with progress.epoch(1):
        for step, seconds in enumerate([20, *[2] * 29]):  # the first step is slow, the others take 20 images in 2 s
            clock.now += seconds
            progress.advance(20, {"loss": 1.0})
            assert ("au: about" in capfd.readouterr().err) == (step == 3)  # once, after 6 s of steps
    assert progress.speed == pytest.approx(600 / 78)
    clock.now += 22
    progress.close_epoch(replace(ROW, epoch=1), selected=True)
    said = "au 2/5: loss 1.500, loss_ce 1.000, loss_au 0.500, train 0.500, valid 0.600 *, 10 images/s, 5 min left\n"
    assert capfd.readouterr().err == said
    for epoch in (2, 3, 4):
        progress.close_epoch(replace(ROW, epoch=epoch), selected=False)
    assert capfd.readouterr().err.splitlines()[-1].endswith("valid 0.600, 10 images/s")


def test_a_bar_says_how_long_the_training_takes_and_not_the_epoch(
    clock: SimpleNamespace, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(module, "tqdm", partial(module.tqdm, ncols=100, mininterval=0, miniters=1))
    progress = TrainingProgress("au", 3, 0, (60, 0))

    def bars() -> list[str]:
        return [text for text in capfd.readouterr().err.split("\r") if "%|" in text]

    with progress.epoch(0):
        for _ in range(3):
            clock.now += 10
            progress.advance(20, {"loss": 1.0})
    first = bars()
    assert "left" not in first[1]  # nobody knows
    assert first[2].endswith("40/60 images, loss 1.000, 1 min 10 s left")  # 140 images, 20 of them in 10 s
    progress.close_epoch(ROW, selected=True)
    with progress.epoch(1):
        clock.now += 10
        progress.advance(20, {"loss": 1.0})
    assert bars()[-1].endswith("20/60 images, loss 1.000, 50 s left")


def test_the_estimate_counts_the_epochs_that_are_left_and_their_scoring(
    clock: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    progress = TrainingProgress("au", 5, 1, (600, 120))
    with progress.epoch(1):
        for seconds in (20, 4, 4):
            clock.now += seconds
            progress.advance(40, {})
    # 4 epochs of 600 images to learn from and 120 to score, each for a third, by 10 a second: 256 s.
    assert capfd.readouterr().err == "au: about 4 min 20 s for 4 epochs (10 images/s)\n"


def test_an_epoch_shorter_than_the_first_steps_is_taken_whole(
    clock: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    progress = TrainingProgress("au", 1, 0, (60, 0))
    with progress.epoch(0):
        clock.now += 3
        progress.advance(60, {})
    assert capfd.readouterr().err == "au: about 3 s for 1 epoch (20 images/s)\n"


@pytest.mark.parametrize(("backbone", "hours", "advised"), [
    ("resnet50", 2, True), ("resnet50", 0.4, False), ("test_resnet", 2, False), (None, 2, False),
])  # fmt: skip
def test_a_long_training_on_a_processor_is_told_of_smaller_models(
    clock: SimpleNamespace, capfd: pytest.CaptureFixture[str], backbone: str | None, hours: float, advised: bool
) -> None:
    progress = TrainingProgress("big", 10, 0, (int(hours * 360), 0), slow_backbone=backbone)
    with progress.epoch(0):
        for _ in range(2):
            clock.now += 10
            progress.advance(10, {})
    said = capfd.readouterr().err
    assert ("fer-au presets write best-small" in said) == advised
    assert said.count("\n") == 1


def test_the_smaller_models_are_those_of_the_recipes() -> None:
    experiments = expand("best-small", load_preset("best-small")).experiments.values()
    backbones = {experiment["model"]["backbone"] for experiment in experiments}
    text = advice_for("resnet50")
    assert len(backbones) >= 2
    assert all(name in text for name in backbones)
    assert all(advice_for(name) == "" for name in backbones)


def test_slow_work_has_a_speed_too() -> None:
    words = {154.4: "154", 10.0: "10", 9.96: "10", 7.26: "7.3", 1.0: "1", 0.4: "0.4", 0.0423: "0.042", 0.0: "0"}
    assert {rate: per_second(rate) for rate in words} == words


@pytest.mark.parametrize(("seconds", "words"), [
    (0.2, "0 s"), (45.4, "45 s"), (59.4, "59 s"), (59.6, "1 min"), (200, "3 min 20 s"), (594, "9 min 50 s"),
    (596, "10 min"), (1500, "25 min"), (3590, "1 h"), (7800, "2 h 10 min"),
])  # fmt: skip
def test_durations_are_written_as_people_say_them(seconds: float, words: str) -> None:
    assert in_words(seconds) == words

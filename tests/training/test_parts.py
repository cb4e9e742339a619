"""The small parts: schedule, precision, preprocessing, optimiser, average, meter, history, seeds."""

from __future__ import annotations

import csv
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fer_au.batches import precision
from fer_au.batches.loading import balanced
from fer_au.batches.precision import resolve_precision
from fer_au.batches.preprocess import IMAGENET_MEAN, IMAGENET_STD, LUMA, Preprocessing
from fer_au.batches.seeds import derive_seed, seed_layers
from fer_au.config.experiments import OptimizerConfig, ScheduleConfig
from fer_au.errors import ConfigError, DataError
from fer_au.models import create_model
from fer_au.training.history import HistoryRow, Meter, best_epoch, has_stalled, training_speed, write_history
from fer_au.training.optimizer import average_of, create_optimizer, lr_factor
from fer_au.training.scoring import summarise

CPU = torch.device("cpu")
CUDA = torch.device("cuda")


class TestSchedule:
    def test_warms_up_linearly(self) -> None:
        config = ScheduleConfig(name="constant", warmup_epochs=2)
        assert [lr_factor(config, time, 8) for time in (0.5, 1, 1.5, 2, 7)] == [0.25, 0.5, 0.75, 1, 1]

    def test_cosine_falls_from_one_to_zero_over_the_rest(self) -> None:
        config = ScheduleConfig(name="cosine", warmup_epochs=1)
        values = [lr_factor(config, time, 9) for time in (1, 3, 5, 7, 9)]
        assert values == pytest.approx([1, 0.5 + 0.5 / math.sqrt(2), 0.5, 0.5 - 0.5 / math.sqrt(2), 0])

    def test_step_multiplies_by_gamma(self) -> None:
        config = ScheduleConfig(name="step", warmup_epochs=0, step_epochs=2, gamma=0.5)
        assert [lr_factor(config, time, 8) for time in (0.01, 1.99, 2.01, 4.5)] == [1, 1, 0.5, 0.25]

    def test_plateau_multiplies_by_gamma_whenever_the_loss_has_not_fallen_for_patience_epochs(self) -> None:
        config = ScheduleConfig(name="plateau", warmup_epochs=0, patience=2, gamma=0.5)
        losses = [1.0, 0.9, 0.95, 0.9, 0.92, 0.8, 0.8, 0.85, 0.9, 0.81]
        factors = [lr_factor(config, epoch + 0.5, 20, losses[:epoch]) for epoch in range(len(losses) + 1)]
        assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]

    def test_plateau_agrees_with_torch_whose_patience_is_one_less(self) -> None:
        losses = torch.rand(60, generator=torch.Generator().manual_seed(0)).cumsum(0).sin().tolist()
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        reference = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.7, patience=2, threshold=0, eps=0)
        config = ScheduleConfig(name="plateau", warmup_epochs=0, patience=3, gamma=0.7)
        for epoch, loss in enumerate(losses):
            reference.step(loss)
            factor = lr_factor(config, epoch + 1.5, 100, losses[: epoch + 1])
            assert factor == pytest.approx(optimizer.param_groups[0]["lr"])

    @pytest.mark.parametrize("name", ["cosine", "step", "constant", "plateau"])
    @pytest.mark.parametrize("warmup", [0, 0.5, 3, 10])
    def test_no_step_has_a_rate_of_zero_or_above_the_base(self, name: str, warmup: float) -> None:
        config = ScheduleConfig.model_validate({"name": name, "warmup_epochs": warmup})
        values = [lr_factor(config, (step + 0.5) / 4, 3) for step in range(12)]
        assert all(0 < value <= 1 for value in values)


class TestPrecision:
    def test_auto_is_bf16_where_the_cpu_multiplies_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for fast, expected in ((True, "bf16"), (False, "fp32")):
            monkeypatch.setattr(precision, "is_fast_at_bf16", lambda fast=fast: fast)
            assert resolve_precision("auto", CPU) == expected

    @pytest.mark.parametrize(("supported", "expected"), [(True, "bf16"), (False, "fp16")])
    def test_auto_on_a_gpu_is_what_it_supports(
        self, monkeypatch: pytest.MonkeyPatch, supported: bool, expected: str
    ) -> None:
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: supported)
        assert resolve_precision("auto", CUDA) == expected

    def test_an_explicit_choice_is_kept_and_fp16_needs_a_gpu(self) -> None:
        assert resolve_precision("bf16", CPU) == "bf16"
        assert resolve_precision("fp16", CUDA) == "fp16"
        with pytest.raises(ConfigError, match=r"train\.precision: fp16 needs a GPU"):
            resolve_precision("fp16", CPU)


class TestPreprocessing:
    def test_normalises_rgb(self) -> None:
        images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
        mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
        assert torch.allclose(Preprocessing(16)(images), (images / 255 - mean) / std, atol=1e-5)

    def test_bytes_and_floats_give_the_same_input(self) -> None:
        images = torch.randint(0, 256, (2, 3, 20, 20), dtype=torch.uint8)
        assert torch.allclose(Preprocessing(16)(images), Preprocessing(16)(images / 255), atol=1e-5)

    def test_one_channel_is_luma(self) -> None:
        images = torch.rand(2, 3, 8, 8)
        grey = Preprocessing(8, channels=1, mean=(0, 0, 0), std=(1, 1, 1))(images)
        assert grey.shape == (2, 1, 8, 8)
        assert torch.allclose(grey[:, 0], sum(w * images[:, i] for i, w in enumerate(LUMA)), atol=1e-6)

    def test_survives_the_model_config(self) -> None:
        preprocessing = Preprocessing(96, channels=1, mean=(0.1, 0.2, 0.3))
        assert Preprocessing.from_meta({**preprocessing.to_meta(), "align": {}}) == preprocessing
        with pytest.raises(DataError, match="preprocessing"):
            Preprocessing.from_meta({"image_size": 96})


class TestOptimizer:
    def test_nesterov_needs_momentum_and_plain_sgd_does_without(self) -> None:
        layer = torch.nn.Linear(2, 2)
        optimizer = create_optimizer(layer, OptimizerConfig(momentum=0, nesterov=True))
        assert optimizer.param_groups[0]["nesterov"] is False

    def test_frozen_parameters_are_left_out(self) -> None:
        layer = torch.nn.Linear(2, 2)
        layer.bias.requires_grad_(False)
        assert len(create_optimizer(layer, OptimizerConfig(name="adamw")).param_groups[0]["params"]) == 1

    @pytest.mark.parametrize(
        ("name", "reference"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
    )
    def test_names_are_torchs(self, name: str, reference: type[torch.optim.Optimizer]) -> None:
        config = OptimizerConfig.model_validate({"name": name, "lr": 0.1, "weight_decay": 0.5})
        optimizer = create_optimizer(torch.nn.Linear(2, 2), config)
        assert type(optimizer) is reference
        assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["weight_decay"]) == (0.1, 0.5)

    def test_average_follows_the_definition(self) -> None:
        model = create_model({"backbone": "test_resnet"}, ["neutral", "anger"], seed=0)
        average = average_of(model, 0.5)
        start = model.head.linear.bias.detach().clone()
        expected = start
        for step in range(1, 4):
            with torch.no_grad():
                model.head.linear.bias.add_(1.0)
            average.update_parameters(model)
            decay = min(0.5, (1 + step) / (10 + step))
            expected = decay * expected + (1 - decay) * (start + step)
        assert torch.allclose(average.module.head.linear.bias, expected)
        assert not any(parameter.requires_grad for parameter in average.parameters())


def test_meter_weighs_by_count_and_is_nan_without_any() -> None:
    meter = Meter()
    meter.add("loss", 1.0, 3)
    meter.add("loss", 5.0, 1)
    meter.add("loss", math.inf, 0)
    assert meter.mean("loss") == 2.0
    assert math.isnan(meter.mean("loss_au"))
    assert meter.has("loss")
    assert not meter.has("loss_au")


class TestBalancedOrder:
    LABELS = [0] * 20 + [1] * 3 + [4] * 8

    def test_every_class_occurs_equally_often_in_an_epoch_of_the_same_length(self) -> None:
        order = balanced(self.LABELS, 0, 0)
        counts = Counter(self.LABELS[index] for index in order)
        assert len(order) == len(self.LABELS)
        assert sorted(counts.values()) == [10, 10, 11]

    def test_samples_repeat_only_after_all_of_their_class(self) -> None:
        for epoch in range(5):
            times = Counter(balanced(self.LABELS, 0, epoch))
            for label in set(self.LABELS):
                own = [times[index] for index in range(len(self.LABELS)) if self.LABELS[index] == label]
                assert max(own) - min(own) <= 1

    def test_it_is_shuffled_repeats_and_changes_with_seed_and_epoch(self) -> None:
        orders = [balanced(self.LABELS, seed, epoch) for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))]
        assert orders[0] == orders[1]
        assert len({tuple(order) for order in orders}) == 3
        assert [self.LABELS[index] for index in orders[0]] != sorted(self.LABELS[index] for index in orders[0])

    def test_over_epochs_all_samples_of_a_large_class_are_seen(self) -> None:
        seen = {index for epoch in range(12) for index in balanced(self.LABELS, 0, epoch)}
        assert seen == set(range(len(self.LABELS)))

    def test_fewer_samples_than_classes(self) -> None:
        assert sorted(balanced([2, 0, 1], 0, 0)) == [0, 1, 2]


ROW = HistoryRow(0, 0.1, 1.5, 1.0, {"loss_au": math.nan}, 0.5, 0.6, 0.55, 0.9, 100.0)


class TestHistory:
    def test_csv_has_one_row_per_epoch_and_an_empty_cell_for_nan(self, tmp_path: Path) -> None:
        write_history(tmp_path / "history.csv", [ROW, replace(ROW, epoch=1, parts={"loss_au": 0.25})])
        with (tmp_path / "history.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == [
            "epoch", "lr", "loss", "loss_ce", "loss_au", "train_accuracy", "valid_accuracy",
            "valid_balanced_accuracy", "valid_loss", "images_per_second",
        ]  # fmt: skip
        assert [row["loss_au"] for row in rows] == ["", "0.25"]
        assert rows[1]["epoch"] == "1"

    def test_best_epoch_is_the_most_accurate_then_the_lowest_loss_then_the_first(self) -> None:
        rows = [replace(ROW, epoch=e, valid_accuracy=a, valid_loss=loss) for e, (a, loss) in enumerate(
            [(0.5, 0.1), (0.9, 0.7), (0.9, 0.3), (0.9, 0.3), (0.8, 0.0)]
        )]  # fmt: skip
        assert best_epoch(rows) == 2

    def test_it_stalls_when_the_best_epoch_lies_patience_epochs_back(self) -> None:
        rows = [replace(ROW, epoch=e, valid_accuracy=a) for e, a in enumerate([0.5, 0.9, 0.8, 0.85, 0.7])]
        assert [has_stalled(rows[:k], 2) for k in range(6)] == [False, False, False, False, True, True]
        assert not has_stalled(rows, None)
        assert not has_stalled(rows, 4)

    def test_speed_is_the_median(self) -> None:
        rows = [replace(ROW, images_per_second=speed) for speed in (100, 1, 110, 120)]
        assert training_speed(rows) == 105
        assert training_speed(rows[:3]) == 100

    def test_rows_survive_json_exactly(self) -> None:
        row = replace(ROW, parts={"loss_au": 1 / 3})
        assert HistoryRow.from_json(row.to_json()) == row


def test_scores_are_micro_accuracy_mean_recall_and_cross_entropy() -> None:
    labels = torch.tensor([0, 0, 0, 2])
    logits = torch.eye(4)[[0, 0, 1, 2]] * 5
    scores = summarise(logits, labels)
    assert scores.accuracy == 0.75
    assert scores.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert scores.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item())


def test_seeds_differ_by_purpose_and_epoch_and_repeat() -> None:
    seeds = {derive_seed(seed, purpose, epoch) for seed in (0, 1) for purpose in ("a", "b") for epoch in (0, 1)}
    assert len(seeds) == 8
    assert derive_seed(3, "a", 5) == derive_seed(3, "a", 5)


def test_processes_drop_differently_and_the_first_one_as_one_alone() -> None:
    draws = []
    for process in (0, 1, 2, 1):
        seed_layers(0, 3, process)
        draws.append(torch.rand(4))
    seed_layers(0, 3)
    assert torch.equal(draws[0], torch.rand(4))
    assert torch.equal(draws[1], draws[3])
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[1], draws[2])

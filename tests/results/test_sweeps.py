from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from fer_au.results.experiment import ExperimentResult
from fer_au.results.sweeps import Sweep, find_sweeps

TERM = MappingProxyType({"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 4.0})


class Scores(ExperimentResult):
    """Metrics of an experiment, without a store."""


def guided(**changes: Any) -> list[dict[str, Any]]:
    return [{**TERM, **changes}]


def entry(**changes: Any) -> dict[str, Any]:
    return {"dataset": "faces", "base": "none", "model": {"backbone": "resnet18"}, "guidance": [], **changes}


def sweeps(
    experiments: dict[str, Any], scores: dict[str, dict[str, float]] | None = None, **sections: Any
) -> list[Sweep]:
    params = {"datasets": {"faces": {"adapter": "folder", "root": "x"}}, "experiments": experiments, **sections}
    from fer_au.config.entries import build_experiment

    results = [
        ExperimentResult(
            name,
            build_experiment(params, name, Path("params.yaml"))[0],
            dict((scores or {}).get(name, {"accuracy": 0.5})),
            None,  # type: ignore[arg-type]  # no score of a single image is read
            (),
        )
        for name in experiments
    ]
    return find_sweeps(params, Path("params.yaml"), results)


def shape(found: list[Sweep]) -> list[tuple[str, str, list[str]]]:
    return [(one.key, one.name, [point.text for point in one.points]) for one in found]


def test_numbers_are_sorted_and_a_plain_classifier_is_weight_0() -> None:
    experiments = {f"au-w{weight:g}": entry(guidance=guided(weight=weight)) for weight in (16.0, 1.0, 4.0)}
    assert shape(sweeps(experiments)) == [("guidance.0.weight", "au-w", ["1", "4", "16"])]
    found = sweeps({"vanilla": entry(), **experiments})
    assert shape(found) == [("guidance.0.weight", "au-w", ["0", "1", "4", "16"])]
    assert found[0].points[0].experiments == ("vanilla",)
    with_another_network = {"vanilla": entry(model={"backbone": "resnet34"}), **experiments}
    assert shape(sweeps(with_another_network)) == [("guidance.0.weight", "au-w", ["1", "4", "16"])]


def test_other_values_keep_the_order_of_params() -> None:
    layers = (["last"], ["1"], ["1", "2", "3"])
    found = sweeps({f"au-{''.join(own)}": entry(guidance=guided(layers=own)) for own in layers})
    assert shape(found) == [("guidance.0.layers", "au", ["last", "1", "1, 2, 3"])]
    assert not found[0].numeric


def test_two_values_are_a_comparison_and_two_changes_are_none() -> None:
    assert sweeps({name: entry(guidance=guided(weight=weight)) for name, weight in (("a", 1.0), ("b", 2.0))}) == []
    mixed = {
        "a": entry(guidance=guided(weight=1.0)),
        "b": entry(guidance=guided(weight=2.0, loss="mass")),
        "c": entry(guidance=guided(weight=3.0, landmark_noise=0.1)),
    }
    assert sweeps(mixed) == []


def test_defaults_and_the_shared_section_count_as_written() -> None:
    experiments = {
        "plain": entry(),
        "short": entry(train={"epochs": 3}),
        "long": entry(train={"epochs": 9}),
        "same": entry(train={"epochs": 8, "label_smoothing": 0.0}, seed=1),
    }
    found = sweeps(experiments)
    assert shape(found) == [("train.epochs", found[0].name, ["3", "8", "9"])]
    assert found[0].points[1].experiments == ("plain", "same")
    assert sweeps(experiments, train={"epochs": 3})[0].points[0].experiments == ("plain", "short")


def test_seeds_and_folds_are_repeats_also_of_a_base_of_their_own() -> None:
    experiments: dict[str, Any] = {}
    scores = {}
    for seed in range(2):
        experiments[f"base-{seed}"] = entry(seed=seed)
        for noise in (0.0, 0.1, 0.2):
            name = f"n{noise:g}-{seed}"
            experiments[name] = entry(
                guidance=guided(landmark_noise=noise), seed=seed, base=f"base-{seed}", group=f"n{noise:g}"
            )
            scores[name] = {"accuracy": 0.5 + noise + 0.1 * seed, "att_ccos": 0.3}
    found = sweeps(experiments, scores)
    assert [one.key for one in found] == ["guidance.0.landmark_noise"]
    middle = found[0].points[1]
    assert middle.experiments == ("n0.1-0", "n0.1-1")
    assert middle.scores["accuracy"].value == pytest.approx(0.65)
    assert middle.scores["accuracy"].high - middle.scores["accuracy"].low == pytest.approx(2 * 0.1 / 2**0.5)
    assert "balanced_accuracy" not in middle.scores


def test_the_interval_of_a_single_run_is_that_over_images() -> None:
    own = {"accuracy": 0.5, "interval.accuracy.low": 0.4, "interval.accuracy.high": 0.7}
    experiments = {f"w{weight}": entry(guidance=guided(weight=weight)) for weight in (1.0, 2.0, 3.0)}
    point = sweeps(experiments, dict.fromkeys(experiments, own))[0].points[0]
    assert (point.scores["accuracy"].low, point.scores["accuracy"].high) == (0.4, 0.7)


def test_two_guidances_of_one_setting_are_two_sweeps() -> None:
    experiments = {"vanilla": entry()}
    for cue, loss in (("au", "cosine"), ("background", "mass")):
        for weight in (1.0, 2.0):
            experiments[f"{cue}-{weight:g}"] = entry(guidance=guided(cue=cue, loss=loss, weight=weight))
    assert shape(sweeps(experiments)) == [
        ("guidance.0.weight", "au", ["0", "1", "2"]),
        ("guidance.0.weight", "background", ["0", "1", "2"]),
    ]

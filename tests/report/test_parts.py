from __future__ import annotations

import math
import statistics as plain
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from fer_au.evaluation import paired_bootstrap
from fer_au.evaluation.metrics_file import HEADLINE
from fer_au.glossary import look_up
from fer_au.glossary_entries import FAMILIES
from fer_au.heat import data_uri, enlarge, overlay, stretch
from fer_au.report import statistics
from fer_au.report.collect import read_project
from fer_au.report.curves import line_chart, nice_ticks
from fer_au.report.map_tables import region_table, truth_table
from fer_au.report.painter import draw_landmarks
from fer_au.report.samples import MAX_SHOWN, plan_layout
from fer_au.report.stage import css_percent, format_metric, format_number, format_short
from fer_au.report.statistics import alignment, class_averages, confusion
from fer_au.report.tables import Gauge, gauge, group_rows, metric_table, remarks
from fer_au.results.changes import NO_CHANGE
from fer_au.results.differences import Comparison, compare, finding
from fer_au.results.groups import group_spreads
from fer_au.stores import Store, encode_ids, write_store

from .project import CLASSES, GUIDED, Writer, experiment


def members(*scores: float | None) -> list[Any]:
    return [SimpleNamespace(number=lambda key, score=score: math.nan if score is None else score) for score in scores]


def test_groups_have_mean_and_sample_deviation() -> None:
    spread = group_spreads(members(0.5, 0.7, 0.9), ["accuracy"])["accuracy"]
    assert spread.mean == pytest.approx(0.7)
    assert spread.deviation == pytest.approx(plain.stdev([0.5, 0.7, 0.9]))
    assert spread.n == 3


def test_an_undefined_score_is_left_out_of_a_group_and_one_member_has_no_deviation() -> None:
    spread = group_spreads(members(0.5, None), ["accuracy"])["accuracy"]
    assert (spread.mean, spread.n) == (0.5, 1)
    assert math.isnan(spread.deviation)
    assert math.isnan(group_spreads(members(None), ["accuracy"])["accuracy"].mean)


def test_only_experiments_with_a_group_are_grouped(writer: Writer) -> None:
    writer.dataset("faces")
    for seed, name in enumerate(("vanilla", "a", "b")):
        writer.experiment(name, good=name != "vanilla", seed=seed, accuracy=0.6 + 0.1 * seed)
    grouped = experiment(guidance=GUIDED, group="au")
    params = writer.params({"vanilla": experiment(), "a": grouped, "b": grouped})
    (row,) = group_rows(read_project(params, writer.root).experiments)
    assert (row.group, row.members) == ("au", ["a", "b"])
    assert row.spreads["accuracy"].mean == pytest.approx(0.75)
    assert row.spreads["accuracy"].deviation == pytest.approx(math.sqrt(0.005))


def test_networks_that_tell_persons_apart_are_left_out(writer: Writer) -> None:
    writer.dataset("faces")
    writer.experiment("au", good=True)
    params = writer.params({"who": {**experiment(), "target": "subject"}, "au": experiment(base="who")})
    assert [one.name for one in read_project(params, writer.root).experiments] == ["au"]


@pytest.fixture
def pair(writer: Writer) -> tuple[Any, Any]:
    writer.dataset("faces")
    writer.experiment("vanilla", good=False)
    writer.experiment("au", good=True)
    params = writer.params({"vanilla": experiment(), "au": experiment(guidance=GUIDED)})
    vanilla, au = read_project(params, writer.root).experiments
    return vanilla, au


def test_rows_of_the_confusion_matrix_are_shares_of_the_true_class(pair: tuple[Any, Any]) -> None:
    matrix = confusion(pair[0])
    assert matrix.rows == matrix.columns == list(CLASSES)
    assert matrix.values.sum(axis=1) == pytest.approx(np.ones(len(CLASSES)))
    assert matrix.counts is not None
    assert matrix.counts.sum() == len(pair[0].labels)
    wrong = [(a, b) for a, b in zip(pair[0].labels, pair[0].predictions, strict=True) if a != b]
    off_diagonal = matrix.counts.sum() - np.trace(matrix.counts)
    assert off_diagonal == len(wrong)


def test_the_cosine_matrix_has_expressions_by_layers_and_cams_without_neutral(pair: tuple[Any, Any]) -> None:
    vanilla, au = (alignment(one, centred=True) for one in pair)
    assert au.rows == ["happiness", "surprise", "anger"]
    assert au.columns == ["layer 1", "layer 2", "layer 3", "native"]
    assert (au.values[:, 2] > vanilla.values[:, 2]).all()
    assert np.isfinite(au.values).all()


def test_layers_are_in_network_order(pair: tuple[Any, Any]) -> None:
    stored = SimpleNamespace(columns=[f"attention/{name}" for name in ("1", "10", "2", "attn")])
    assert replace(pair[0], results=stored).layers == ["1", "2", "10", "attn"]


def test_a_comparison_finds_the_better_attention_and_says_so(pair: tuple[Any, Any]) -> None:
    comparison = compare(pair[1], pair[0])
    assert comparison is not None
    assert comparison.att_ccos.difference == pytest.approx(0.6, abs=0.05)
    assert "more closely than that of vanilla" in finding(comparison)
    backwards = compare(pair[0], pair[1])
    assert backwards is not None
    assert "less closely than that of au" in finding(backwards)


def test_what_was_not_found_is_told_with_what_would_have_been() -> None:
    few = finding(Comparison("au", "vanilla", *[paired_bootstrap(np.ones(15), np.ones(15))] * 2))
    assert (
        "Its accuracy is not significantly different: +0.0 (no interval) percentage points. That shows nothing:" in few
    )
    assert "on 15 test images, a difference below 17.0 percentage points would hardly have been found." in few
    right = np.repeat([1.0, 0.0, 1.0], [1200, 20, 20])
    many = finding(Comparison("au", "vanilla", *[paired_bootstrap(right, right[::-1])] * 2))
    assert (
        "On these 1240 test images, a difference of 1.4 percentage points would have been found with 80 % power."
        in many
    )
    clear = finding(Comparison("au", "vanilla", *[paired_bootstrap(np.ones(50), np.tile([0.0, 1.0], 25))] * 2))
    assert "higher" in clear
    assert "power" not in clear


def test_experiments_without_common_images_are_not_compared(pair: tuple[Any, Any]) -> None:
    pair[0].results.ids = ["elsewhere"]
    pair[0].results.index = {"elsewhere": 0}
    assert compare(pair[1], pair[0]) is None


def test_a_gauge_of_a_cam_takes_the_references_of_its_grid(pair: tuple[Any, Any]) -> None:
    metrics = pair[1].metrics
    metrics |= {"ceiling.att_ccos": 0.91, "baseline.blank.att_ccos": 0.0, "baseline.class_mean.att_ccos": 0.7}
    metrics |= {"baseline.face.att_ccos": 0.55}
    assert gauge(pair[1], "cam_ccos.native") == Gauge("cam_ccos.native", 0.4, 0.55, 0.7, 0.91)


def test_a_gauge_of_a_heads_map_takes_the_references_of_that_maps_grid(pair: tuple[Any, Any]) -> None:
    pair[1].metrics.update(
        {"module.att_ccos": 0.6, "module.baseline.face.att_ccos": 0.5, "module.ceiling.att_ccos": 0.8}
    )
    found = gauge(pair[1], "module.att_ccos")
    assert (found.value, found.blind, found.ceiling) == (0.6, 0.5, 0.8)


@pytest.mark.parametrize(("grid", "note"), [("4x4", "too coarse to tell"), ("6x14", "too coarse to tell"), ("7x7", "")])
def test_a_score_on_moved_images_is_marked_where_the_grid_is_too_coarse(
    pair: tuple[Any, Any], grid: str, note: str
) -> None:
    pair[1].metrics.update({"att_ccos_moved": 0.59, "att_grid": grid, "module.att_grid": "14x14"})
    assert gauge(pair[1], "att_ccos_moved").note == note
    assert gauge(pair[1], "att_ccos").note == gauge(pair[1], "module.att_ccos_moved").note == ""
    (row,) = [row for family in metric_table([pair[1]]) for row in family.rows if row.key == "att_ccos_moved"]
    assert row.values == [f"0.590 ({note})" if note else 0.59]


def remarked(name: str, scores: dict[str, Any], labels: Sequence[str] = ()) -> Any:
    """A row of an experiment whose remarks follow from its scores alone."""
    one = SimpleNamespace(
        name=name,
        metrics=scores,
        number=lambda key: scores.get(key, math.nan),
        labels=labels,
        results=SimpleNamespace(attributes={}),
        change=NO_CHANGE,
    )
    return SimpleNamespace(experiment=one)


def test_only_what_beats_every_map_that_knows_no_class_looks_at_action_units() -> None:
    def row(name: str, score: float, **baselines: float) -> Any:
        return remarked(name, {"att_ccos": score} | {f"baseline.{key}.att_ccos": baselines[key] for key in baselines})

    blind = {"blank": 0.0, "gaussian": 0.51, "face": 0.57, "generic": 0.69}
    rows = [row("vanilla", 0.62, **blind), row("au", 0.89, **blind), row("lan", 0.89, **blind), row("old", 0.9)]
    found = remarks(rows)
    assert [one.experiments for one in found] == [["au", "lan"], ["vanilla"]]
    assert found[0].text.startswith("look at action units")
    assert found[1].text.startswith("shows no sign of looking")


def test_tables_of_maps_have_a_row_for_each_kind(writer: Writer) -> None:
    writer.dataset("faces")
    shares = {"layer.3.region.mouth": 0.3, "module.region.mouth": 0.4, "cam_region.mouth.native": 0.5}
    truth = {
        f"truth.{name}.ccos": 0.1 for name in ("au", "layer.1", "layer.3", "module", "cam.native", "baseline.face")
    }
    writer.experiment(
        "lan",
        good=True,
        module=True,
        **shares,
        **truth,
        **{"truth.au.ccos.fear": 0.2, "baseline.blank.region.mouth": 0.05},
    )
    writer.experiment("vanilla", good=False)
    params = writer.params({"lan": experiment(), "vanilla": experiment()})
    experiments = read_project(params, writer.root).experiments
    places, motion = region_table(experiments), truth_table(experiments)
    mouth = places.columns.index("mouth")
    assert [(row.experiment, row.title, row.values[mouth]) for row in places.rows] == [
        ("", "area of the region", 0.05),
        ("lan", "layer 3", 0.3),
        ("lan", "head’s own map", 0.4),
        ("lan", "CAM: native", 0.5),
    ]
    assert motion.columns == ["AUC", "centred cosine", "fear"]
    assert [row.title for row in motion.rows] == [
        "AU map",
        "mask of the face",
        "layer 1",
        "layer 3",
        "head’s own map",
        "CAM: native",
    ]
    assert truth_table(experiments[1:]).rows == []


def test_caveats_name_those_who_fail_a_baseline() -> None:
    def row(name: str, **scores: Any) -> Any:
        return remarked(name, scores, ["fear", "fear", "anger"])

    blind = {"att_cos": 0.3, "baseline.blank.att_cos": 0.5, "att_ccos": 0.1, "baseline.class_mean.att_ccos": 0.8}
    fine = {"att_cos": 0.9, "baseline.blank.att_cos": 0.5, "att_ccos": 0.9, "baseline.class_mean.att_ccos": 0.8}
    (frame,) = remarks([row("a", **fine, resize="published"), row("b", **fine)])
    assert frame.experiments == ["a"]
    assert frame.text.startswith("has its att_cos and cam_cos in the frame of the published code")
    (mirrored,) = remarks([row("a", **fine, mirrored=1), row("b", **fine)])
    assert mirrored.text.startswith("has probabilities that are means")
    found = remarks([row("a", **blind), row("b", **fine), row("c", **blind, selected_on="test")])
    assert [sentence.experiments for sentence in found] == [["a", "c"], ["a", "c"], ["c"]]
    (many,) = remarks([row(str(k), att_cos=0.3, **{"baseline.blank.att_cos": 0.5}) for k in range(30)])
    (constant,) = remarks([row("a", accuracy=0.66), row("b", accuracy=0.67)])
    assert constant.experiments == ["a"]
    assert constant.text.startswith("is no more accurate than")
    assert many.text.startswith("30 of 30 experiments have an att_cos below")


def test_class_averages_weigh_images_alike_and_skip_maps_that_are_not_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "_BLOCK", 2)
    maps = np.zeros((4, 2, 2), np.float32)
    maps[:3, 0] = [[0.0, 1.0], [0.0, 100.0], [5.0, 0.0]]
    maps[3] = np.nan
    columns = {
        "id": encode_ids([f"{k}.png" for k in range(4)]),
        "label": encode_ids(["fear", "fear", "anger", "disgust"]),
        "probabilities": np.zeros((4, 1), np.float32),
        "target": np.zeros((4, 2, 2), np.uint8),
        "target_valid": np.array([True, True, False, False]),
        "cam/native": maps,
    }
    write_store(tmp_path / "x.h5", "evaluation", columns, fingerprint="f")
    one: Any = SimpleNamespace(results=Store.open(tmp_path / "x.h5", "evaluation"))
    one.labels = ["fear", "fear", "anger", "disgust"]
    averages = class_averages(one, "cam/native")
    assert {name: average[0].tolist() for name, average in averages.items()} == {
        "fear": [0.0, 1.0],
        "anger": [1.0, 0.0],
    }
    assert list(class_averages(one, None)) == ["fear"]


@pytest.mark.parametrize("count", [1, 2, 7, 40, 300])
@pytest.mark.parametrize("datasets", [1, 3])
def test_the_pictures_fit_on_the_page_whatever_the_number_of_experiments(count: int, datasets: int) -> None:
    labels = tuple("abcdefgh")
    many = [
        SimpleNamespace(
            name=str(k),
            cams=["native", "gradcam", "layercam"],
            module=None,
            classes=labels,
            config=SimpleNamespace(group=None),
        )
        for k in range(count)
    ]
    layout = plan_layout(many, datasets)  # type: ignore[arg-type]
    shown = len(layout.experiments)
    assert shown == min(count, MAX_SHOWN)
    tiles = len(labels) * (layout.per_class * (3 + 2 * shown) + 2 + 4 * shown)
    assert datasets * tiles * layout.side**2 <= 900 * 144**2 * 1.05
    assert layout.per_class >= 1


def test_one_experiment_of_a_group_is_pictured() -> None:
    many = [
        SimpleNamespace(name=str(k), cams=[], module=None, classes=("fear",), config=SimpleNamespace(group="g"))
        for k in range(5)
    ]
    assert [one.name for one in plan_layout(many, 1).experiments] == ["0"]  # type: ignore[arg-type]


def test_an_enlarged_map_keeps_its_place() -> None:
    small = np.zeros((14, 14))
    small[3, 10] = 1
    big = enlarge(small, 140)
    row, column = np.unravel_index(big.argmax(), big.shape)
    assert (row + 0.5, column + 0.5) == (pytest.approx(35, abs=0.6), pytest.approx(105, abs=0.6))
    assert 0 <= big.min() <= big.max() <= 1


def test_constant_and_broken_maps_stretch_to_zero() -> None:
    maps = np.array([[[3.0, 3.0]], [[np.nan, 1.0]], [[np.inf, 1.0]], [[-1.0, 1.0]]])
    assert stretch(maps).tolist() == [[[0, 0]], [[0, 0]], [[0, 0]], [[0, 1]]]


def test_an_overlay_glows_where_the_map_is_high() -> None:
    face = np.full((40, 40, 3), 120, np.uint8)
    heat = np.zeros((4, 4))
    heat[0, 0] = 1
    painted = overlay(face, heat).astype(int)
    assert painted[2, 2].sum() > painted[30, 30].sum() + 150


def test_a_data_uri_holds_the_picture() -> None:
    import base64

    image = np.zeros((16, 16, 3), np.uint8)
    image[:, :, 0] = 220
    data = base64.b64decode(data_uri(image).removeprefix("data:image/webp;base64,"))
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert back[8, 8, 2] > 190
    assert back[8, 8, 0] < 40


def test_landmarks_are_drawn_at_their_pixel_centres() -> None:
    image = np.zeros((1100, 1100, 3), np.uint8)
    points = np.tile([[200.5, 700.5]], (68, 1))
    drawn = draw_landmarks(image, points)
    y, x = np.nonzero(drawn.sum(axis=2) > 100)
    assert (x.mean(), y.mean()) == (pytest.approx(200, abs=0.2), pytest.approx(700, abs=0.2))


def test_ticks_are_round_and_inside() -> None:
    assert nice_ticks(0.31, 0.93) == [0.4, 0.6, 0.8]
    assert nice_ticks(-5, 5) == [-4.0, -2.0, 0.0, 2.0, 4.0]
    assert nice_ticks(2, 2) == [2]


def test_a_missing_value_breaks_the_line() -> None:
    chart = line_chart("loss", {"a": ([0, 1, 2, 3], [1.0, math.nan, 0.5, 0.4])}, {"a": 0}, {"a": 3})
    (line,) = chart.lines
    assert len(line.paths) == 2
    assert line.value == "0.4"
    assert line.best == line.end


def test_a_history_without_any_value_still_draws() -> None:
    (line,) = line_chart("loss", {"a": ([0], [math.nan])}, {"a": 0}, {}).lines
    assert (line.paths, line.end, line.value) == ([], None, "none")


@pytest.mark.parametrize(
    "key",
    [
        *("accuracy", "balanced_accuracy", "macro_f1", "att_cos", "att_ccos", "att_auc", "att_specificity"),
        *(
            "cam_cos.native",
            "cam_ccos.gradcam",
            "cam_auc.layercam",
            "att_cos_moved",
            "att_ccos_moved",
            "att_auc_motion",
        ),
        *("baseline.blank.att_cos", "baseline.class_mean.att_ccos", "ceiling.att_auc", "layer.5.att_ccos"),
        *("region.eyes", "region.background", "faithfulness.deletion", "faithfulness.insertion"),
        *("per_class.anger.accuracy", "per_class.anger.att_cos", "per_class.anger.n"),
        *("n", "n_cos", "selected_on", "seed", "train_images_per_second", "environment.torch"),
        *HEADLINE,
    ],
)
def test_every_metric_is_explained(key: str) -> None:
    family, meaning = look_up(key)
    assert family in set(FAMILIES) - {"Other"}
    assert (meaning or FAMILIES[family]).endswith(".")
    assert "{" not in meaning


def test_an_unknown_metric_is_listed_without_explanation() -> None:
    assert look_up("my_score") == ("Other", "")


def test_numbers_read_well() -> None:
    assert [format_number(value) for value in (-0.126, -0.001)] == ["−0.13", "0.00"]
    assert format_number(math.nan) == "–"
    assert [format_metric(value) for value in (None, 3, "test", 0.5)] == ["–", "3", "test", "0.500"]
    assert [format_short(value) for value in (0.384, -0.04, -0.001, 1.0, math.nan)] == [".38", "−.04", ".00", "1", "–"]
    assert [css_percent(value) for value in (-1, 0.5, 7, math.nan)] == ["0.0%", "50.0%", "100.0%", "0%"]

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from fer_au.config.published import published_path, read_published
from fer_au.errors import ConfigError, DataError
from fer_au.results.experiment import ExperimentResult
from fer_au.results.formats import table_text
from fer_au.results.reading import read_results
from fer_au.results.sheets import sheets
from fer_au.results.table import UNREADABLE, WAITING, Table, tabulate
from fer_au.results.words import describe
from tests.results.writer import ResultsWriter


def table_of(writer: ResultsWriter, grouped: bool = False, sort: str | None = None) -> Table:
    return tabulate(read_results(writer.params(), writer.root), grouped=grouped, sort=sort)


def test_each_experiment_is_a_row_in_the_order_of_params(writer: ResultsWriter) -> None:
    writer.evaluate("vanilla", wrong=3)
    writer.name("later")
    writer.evaluate("au", wrong=2)
    table = table_of(writer)
    assert [row.name for row in table.rows] == ["vanilla", "later", "au"]
    assert [row.state for row in table.rows] == ["", WAITING, ""]
    assert table.rows[0].number("accuracy") == pytest.approx(0.75)
    assert math.isnan(table.rows[1].number("accuracy"))
    assert table.rows[2].images == 12
    low, high = table.rows[0].interval
    assert 0.4 < low < 0.75 < high <= 1


def test_networks_that_tell_persons_apart_have_no_row(writer: ResultsWriter) -> None:
    writer.name("who", target="subject")
    writer.evaluate("au")
    assert [row.name for row in table_of(writer).rows] == ["au"]


def test_a_metric_that_no_experiment_has_has_no_column(writer: ResultsWriter) -> None:
    writer.evaluate("vanilla")
    assert table_of(writer).keys == ("accuracy", "balanced_accuracy", "macro_f1", "att_cos")
    writer.evaluate("au", att_class_rank=0.5)
    table = table_of(writer)
    assert table.keys == ("accuracy", "balanced_accuracy", "macro_f1", "att_cos", "att_class_rank")
    assert [row.number("att_class_rank") for row in table.rows] == [pytest.approx(math.nan, nan_ok=True), 0.5]


def test_seeds_of_a_group_are_averaged_and_their_images_counted_once(writer: ResultsWriter) -> None:
    for seed, wrong in enumerate((1, 2, 4)):
        writer.name(f"au-{seed}", group="au", seed=seed)
        writer.evaluate(f"au-{seed}", wrong=wrong)
    writer.name("au-3", group="au", seed=3)
    writer.evaluate("au")  # an experiment that has a group's name and none itself
    table = table_of(writer, grouped=True)
    group, alone = table.rows
    assert (group.name, group.runs, group.members, group.images) == ("au", 3, 4, 12)
    assert group.scores["accuracy"].mean == pytest.approx((11 + 10 + 8) / 36)
    assert group.scores["accuracy"].deviation == pytest.approx(0.1272937, abs=1e-6)
    assert math.isnan(group.interval[0])
    assert (alone.name, alone.runs, alone.members) == ("au", 1, 1)


def test_images_of_folds_add_up(writer: ResultsWriter) -> None:
    for fold in range(3):
        writer.name(f"lan-{fold}", group="lan", fold=fold)
        writer.evaluate(f"lan-{fold}", images=9, first=9 * fold)
    (row,) = table_of(writer, grouped=True).rows
    assert row.images == 27


def test_a_group_without_any_evaluation_waits(writer: ResultsWriter) -> None:
    writer.name("a", group="au")
    writer.name("b", group="au")
    (row,) = table_of(writer, grouped=True).rows
    assert (row.state, row.runs, row.members) == (WAITING, 0, 2)


def test_rows_are_sorted_by_a_headline_metric_and_what_lacks_it_comes_last(writer: ResultsWriter) -> None:
    writer.name("later")
    writer.evaluate("low", wrong=4, att_ccos=0.1)
    writer.evaluate("blind", wrong=3)
    writer.evaluate("high", wrong=2, att_ccos=0.7)
    writer.evaluate_cross("bad", "low", accuracy=0.2)
    writer.evaluate_cross("good", "low", accuracy=0.4)
    table = table_of(writer, sort="att_ccos")
    assert [row.name for row in table.rows] == ["high", "low", "later", "blind"]
    assert [row.name for row in table_of(writer, sort="accuracy").cross] == ["good", "bad"]


@pytest.mark.parametrize("key", ["n", "seed", "selected_on", "cam_cos.native"])
def test_the_key_of_the_order_is_shown(writer: ResultsWriter, key: str) -> None:
    writer.evaluate("au", **{"cam_cos.native": 0.6})
    table = table_of(writer, sort=key)
    assert table.keys[-1] == key
    assert key in table.rows[0].texts or math.isfinite(table.rows[0].number(key))


@pytest.mark.parametrize(
    ("key", "near"),
    [("acuracy", "did you mean accuracy"), ("layer.3.att_cos", "did you mean"), ("cam_cos.gradcam", "cam_cos.native")],
)
def test_an_unknown_key_names_near_ones(writer: ResultsWriter, key: str, near: str) -> None:
    writer.evaluate("au", **{"cam_cos.native": 0.6})
    with pytest.raises(ConfigError, match=rf"--sort {key}: no experiment has such a headline metric; .*{near}"):
        table_of(writer, sort=key)


def test_before_the_first_evaluation_only_keys_that_will_be_there_sort(writer: ResultsWriter) -> None:
    writer.name("au")
    assert table_of(writer, sort="accuracy").keys == ("accuracy",)
    with pytest.raises(ConfigError, match="did you mean accuracy"):
        table_of(writer, sort="accurracy")


@pytest.mark.parametrize("file", ["metrics/au.json", "metrics/detail/au.json", "evaluation/au.h5"])
@pytest.mark.parametrize("fault", ["missing", "cut", "empty", "other"])
def test_a_damaged_file_is_a_row_and_one_line_that_names_it(writer: ResultsWriter, file: str, fault: str) -> None:
    writer.evaluate("au")
    writer.evaluate("vanilla")
    path = writer.root / file
    content = path.read_bytes()
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "other": b"[1, 2]"}[fault])
    results = read_results(writer.params(), writer.root)
    assert [row.state for row in tabulate(results).rows] == [UNREADABLE, ""]
    (line,) = results.faults
    assert file in line
    assert line.endswith("`dvc repro evaluate@au` makes it again")


def test_scores_on_other_data_sets_are_listed_evaluated_or_not(writer: ResultsWriter) -> None:
    writer.evaluate("au")
    writer.evaluate_cross("there", "au", accuracy=0.25, att_ccos=0.3, n=8)
    writer.evaluate_cross("later", "au")
    table = table_of(writer)
    assert "att_ccos" in table.keys
    there, later = table.cross
    assert (there.dataset, there.images, there.number("accuracy")) == ("other", 8, 0.25)
    assert later.state == WAITING
    (writer.root / "metrics/cross/there.json").write_text("{")
    results = read_results(writer.params(), writer.root)
    assert tabulate(results).cross[0].state == UNREADABLE
    assert "metrics/cross/there.json" in results.faults[0]


def test_a_group_ties_its_scores_on_other_data_sets(writer: ResultsWriter) -> None:
    for seed, (home, away) in enumerate([(0.5, 0.2), (0.7, 0.4), (0.6, None)]):
        writer.name(f"au-{seed}", group="seeds")
        writer.evaluate(f"au-{seed}", accuracy=home)
        writer.evaluate_cross(f"away-{seed}", f"au-{seed}", **({} if away is None else {"accuracy": away}))
    writer.evaluate("alone")
    writer.evaluate_cross("away", "alone", accuracy=0.9)
    assert [row.name for row in table_of(writer).cross] == ["away-0", "away-1", "away-2", "away"]
    tied, alone = table_of(writer, grouped=True).cross
    assert (tied.name, tied.dataset, tied.runs, tied.members) == ("seeds", "other", 2, 3)
    spread = tied.scores["accuracy"]
    assert (spread.mean, spread.deviation) == (pytest.approx(0.3), pytest.approx(0.02**0.5))
    assert (alone.name, alone.runs, alone.number("accuracy")) == ("away", 1, 0.9)
    cross = sheets(table_of(writer, grouped=True))[1]
    assert cross.head[:3] == ["cross", "data set", "runs"]
    assert cross.rows[0][:3] == ["seeds", "other", "2 of 3"]


def test_published_numbers_come_from_the_file_beside_params(writer: ResultsWriter) -> None:
    writer.evaluate("lan", wrong=3)
    writer.evaluate("other")
    writer.publish(
        {"row": "LAN", "experiment": "lan", "metrics": {"accuracy": 0.7, "cam_cos.native": 0.6}, "other": {"x": 1.0}},
        {"row": "Theirs", "metrics": {"accuracy": 0.9}},
    )
    lan, other = table_of(writer).rows
    assert [row.row for row in lan.published] == ["LAN"]
    assert lan.number("accuracy") - lan.published_number("accuracy") == pytest.approx(0.05)
    assert other.published == []


def test_numbers_of_groups_stand_with_groups(writer: ResultsWriter) -> None:
    writer.name("lan-0", group="lan")
    writer.evaluate("lan-0")
    writer.publish({"row": "LAN", "group": "lan", "metrics": {"accuracy": 0.7}})
    table = table_of(writer)
    assert (table.rows[0].published, table.other_groups) == ([], ("lan",))
    grouped = table_of(writer, grouped=True)
    assert grouped.rows[0].published_number("accuracy") == 0.7
    assert grouped.other_groups == ()


def test_several_published_rows_of_one_training_are_averaged(writer: ResultsWriter) -> None:
    writer.evaluate("cam")
    rows = [{"row": f"row {value}", "experiment": "cam", "metrics": {"accuracy": value}} for value in (0.88, 0.9)]
    writer.publish(*rows, {"row": "more", "experiment": "cam", "metrics": {"att_cos": 0.5}})
    (row,) = table_of(writer).rows
    assert row.published_number("accuracy") == pytest.approx(0.89)
    assert row.published_number("att_cos") == 0.5
    assert math.isnan(row.published_number("macro_f1"))


def test_published_rows_of_names_that_params_lacks_are_named(writer: ResultsWriter) -> None:
    writer.name("lan-0", group="lan")
    writer.evaluate("lan-0")
    writer.publish(
        {"row": "LAN", "group": "lan", "metrics": {"accuracy": 0.7}},
        {"row": "Theirs", "metrics": {"accuracy": 0.9}},
        {"row": "no numbers", "experiment": "gone"},
    )
    assert read_results(writer.params(), writer.root).unmatched == []
    writer.publish(
        {"row": "LAN", "group": "lan-0", "metrics": {"accuracy": 0.7}},
        {"row": "Net", "experiment": "lan", "metrics": {"accuracy": 0.7}},
        {"row": "Net, lr", "left_out": "net", "metrics": {"accuracy": 0.7}},
    )
    path = writer.root / "params.published.yaml"
    assert read_results(writer.params(), writer.root).unmatched == [
        f"{path}: 1 of 3 rows is about settings that --grid changed, and compared with nothing: Net, lr",
        f"{path}: 2 rows are about what params.yaml doesn't name, and not shown: lan-0, lan",
    ]


def test_another_file_of_published_numbers_is_read_where_it_is_named(writer: ResultsWriter) -> None:
    writer.evaluate("lan")
    path = writer.publish({"row": "LAN", "experiment": "lan", "metrics": {"accuracy": 0.7}}, name="theirs.yaml")
    assert read_results(writer.params(), writer.root).published is None
    published = read_results(writer.params(), writer.root, path).published
    assert published is not None
    assert published.rows[0].experiment == "lan"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows: [", "not valid YAML"),
        ("preset: a\nsource: b\nrows: [{rwo: a}]", "did you mean row"),
        ("preset: a\nsource: b\nrows: [{row: a, metrics: {accuracy: high}}]", "metrics.accuracy"),
        ("[1]", "must hold a mapping"),
    ],
)
def test_a_bad_file_of_published_numbers_is_one_line(writer: ResultsWriter, text: str, message: str) -> None:
    writer.evaluate("lan")
    path = published_path(writer.params())
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"params\.published\.yaml: .*{message}"):
        read_results(writer.params(), writer.root)
    with pytest.raises(ConfigError, match="no such file"):
        read_published(Path("nowhere.yaml"))


def test_params_without_experiments_say_so(writer: ResultsWriter) -> None:
    with pytest.raises(DataError, match="none are named"):
        read_results(writer.params(), writer.root)


def test_a_wrong_entry_is_one_line(writer: ResultsWriter) -> None:
    writer.evaluate("au")
    writer.experiments["au"]["guidence"] = []
    with pytest.raises(ConfigError, match=r"experiments\.au\.guidence: unknown key; did you mean guidance"):
        read_results(writer.params(), writer.root)
    writer.experiments["au"] = None  # type: ignore[assignment]
    with pytest.raises(ConfigError, match=r"experiments\.au"):
        read_results(writer.params(), writer.root)


def test_the_interval_is_the_one_that_the_evaluation_has(writer: ResultsWriter) -> None:
    stored = {"interval.accuracy.low": 0.61, "interval.accuracy.high": 0.83, "interval.balanced_accuracy.low": 0.4}
    writer.evaluate("au", wrong=3, **stored)
    table = table_of(writer)
    assert table.rows[0].interval == (0.61, 0.83)
    assert "61.0–83.0" in table_text(table, 100)
    result = read_results(writer.params(), writer.root).experiments[0].result
    assert isinstance(result, ExperimentResult)
    assert "95 % interval over images: 61.00 to 83.00 %" in describe(result, [], 100)
    kept = result.image_scores("att_cos")  # of which the metrics have no interval
    low, high = result.interval("att_cos")
    assert np.nanmin(kept) <= low <= high <= np.nanmax(kept)
    assert all(math.isnan(end) for end in result.interval("ece"))

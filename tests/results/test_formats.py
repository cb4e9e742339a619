from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from fer_au.results.formats import table_text, write_table_csv, write_table_latex, write_table_markdown
from fer_au.results.reading import read_results
from fer_au.results.table import Table, tabulate
from tests.results.writer import ResultsWriter


@pytest.fixture
def full(writer: ResultsWriter) -> ResultsWriter:
    writer.evaluate("vanilla", wrong=3, att_ccos=0.2)
    for seed in range(2):
        writer.name(f"guided-by-au-seed-{seed}", group="au", seed=seed)
        writer.evaluate(f"guided-by-au-seed-{seed}", wrong=1 + seed, att_ccos=0.7)
    writer.name("later")
    writer.evaluate_cross("there", "vanilla", accuracy=0.5, n=8)
    writer.publish(
        {"row": "Net | 1_a", "experiment": "vanilla", "metrics": {"accuracy": 0.8, "att_cos": 0.6}},
        {"row": "AU", "group": "au", "metrics": {"accuracy": 0.7}},
    )
    return writer


def table_of(writer: ResultsWriter, grouped: bool = False) -> Table:
    return tabulate(read_results(writer.params(), writer.root), grouped=grouped)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_lines_fit_and_columns_are_aligned(full: ResultsWriter, width: int, grouped: bool) -> None:
    text = table_text(table_of(full, grouped), width)
    assert max(map(len, text.splitlines())) <= width
    for block in text.split("\n\n"):
        head, *rows = block.splitlines()
        if head.startswith(("experiment", "group")):
            end = head.index("accuracy") + len("accuracy") if "accuracy" in head else len(head)
            cells = [row[:end].split("  ")[-1] for row in rows if "not evaluated" not in row]
            assert all(row[end : end + 1] in ("", " ") for row in rows if "not evaluated" not in row)
            assert all(cells)


def test_a_wide_terminal_has_one_line_per_experiment(full: ResultsWriter) -> None:
    lines = table_text(table_of(full), 200).splitlines()
    assert lines[0].split("  ")[0] == "experiment"
    assert re.match(r"vanilla +75\.00 +\d+\.\d–\d+\.\d +75\.00 .* 12 +80\.00 +-5\.00$", lines[1])
    assert re.match(r"later +not evaluated yet$", lines[4])
    assert sum(line.startswith("vanilla ") for line in lines) == 3  # in the table, and two published numbers


def test_a_group_has_mean_and_deviation(full: ResultsWriter) -> None:
    lines = table_text(table_of(full, grouped=True), 200).splitlines()
    (line,) = [line for line in lines if line.startswith("au ") and " 2 " in line]
    assert "87.50 ± 5.89" in line
    assert line.split()[-2:] == ["70.00", "+17.50"]


def test_a_number_that_was_not_published_of_the_accuracy_stands_below(full: ResultsWriter) -> None:
    text = table_text(table_of(full), 200)
    assert re.search(r"^vanilla +Net \| 1_a +att_cos +0\.515 +0\.600 +-0\.085$", text, re.MULTILINE)
    assert "The published numbers come from Somebody 2022, Table 3." in text


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_values_as_the_metrics_files_have_them(full: ResultsWriter, tmp_path: Path) -> None:
    path = tmp_path / "out" / "table.csv"
    write_table_csv(path, table_of(full))
    rows = {row["name"]: row for row in rows_of(path)}
    vanilla = rows["vanilla"]
    assert (vanilla["accuracy"], vanilla["n"], vanilla["state"], vanilla["kind"]) == (
        "0.75", "12", "evaluated", "experiment"
    )  # fmt: skip
    assert float(vanilla["accuracy_low"]) < 0.75 < float(vanilla["accuracy_high"])
    assert (vanilla["published.accuracy"], vanilla["difference.accuracy"]) == ("0.8", "-0.05")
    assert (vanilla["published.att_cos"], vanilla["difference.att_cos"]) == ("0.6", "-0.085")
    assert (rows["later"]["state"], rows["later"]["accuracy"]) == ("not evaluated yet", "")
    assert (rows["there"]["kind"], rows["there"]["dataset"], rows["there"]["accuracy"]) == ("cross", "other", "0.5")


def test_csv_of_groups_has_deviations(full: ResultsWriter, tmp_path: Path) -> None:
    write_table_csv(tmp_path / "table.csv", table_of(full, grouped=True))
    rows = {row["name"]: row for row in rows_of(tmp_path / "table.csv")}
    assert (rows["au"]["runs"], rows["au"]["accuracy"], rows["au"]["accuracy_sd"]) == ("2", "0.875", "0.058926")
    assert (rows["vanilla"]["runs"], rows["vanilla"]["accuracy_sd"]) == ("1", "")


def test_markdown_has_as_many_cells_in_each_line(full: ResultsWriter, tmp_path: Path) -> None:
    write_table_markdown(tmp_path / "table.md", table_of(full))
    tables = [block.splitlines() for block in (tmp_path / "table.md").read_text().split("\n\n") if block[0] == "|"]
    assert len(tables) == 3
    for lines in tables:
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in lines}) == 1
        assert set(lines[1]) <= set("|-:")
    assert "| vanilla | 75.00 |" in "\n".join(tables[0])
    assert "Net \\| 1_a" in "\n".join(tables[2])


def test_latex_is_escaped_and_has_the_rules_of_booktabs(full: ResultsWriter, tmp_path: Path) -> None:
    write_table_latex(tmp_path / "table.tex", table_of(full, grouped=True))
    text = (tmp_path / "table.tex").read_text()
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert body.count("\\toprule") == body.count("\\bottomrule") == body.count("\\midrule") == 3
    assert "87.50 $\\pm$ 5.89" in body
    assert "95 \\% interval" in body
    assert "att\\_cos" in body
    assert "$-5.00$" in body
    assert not set("±–") & set(body)
    for table in body.split("\\begin{tabular}")[1:]:
        columns = table[1 : table.index("}")]
        assert {line.count(" & ") for line in table.splitlines() if line.endswith("\\\\")} == {len(columns) - 1}


@pytest.mark.parametrize("grouped", [False, True])
def test_rows_of_other_settings_are_marked_in_every_format(full: ResultsWriter, tmp_path: Path, grouped: bool) -> None:
    full.lock()
    full.experiments["guided-by-au-seed-1"]["seed"] = 9
    table = table_of(full, grouped)
    name, other = ("au", "vanilla") if grouped else ("guided-by-au-seed-1", "guided-by-au-seed-0")
    key = "experiments.guided-by-au-seed-1.seed"
    for write in (write_table_csv, write_table_markdown, write_table_latex):
        write(tmp_path / write.__name__, table)
    rows = {row["name"]: row for row in rows_of(tmp_path / "write_table_csv")}
    assert (rows[name]["changed"], rows[other]["changed"]) == (key, "")
    remark = f"† {name} is not up to date: params.yaml has changed since ({key})."
    marks = {"write_table_markdown": (f"| {name} † |", remark), "write_table_latex": (rf"{name} $\dagger$ &", remark)}
    for file, (row, words) in marks.items():
        text = (tmp_path / file).read_text()
        assert row in text
        assert words in text

    text = table_text(table, 200)
    assert re.search(rf"^{name} † ", text, re.MULTILINE)
    assert remark in text


BLANK, MEAN, CEILING = "baseline.blank.att_cos", "baseline.class_mean.att_cos", "ceiling.att_cos"


def references(table: Table) -> list[tuple[str, str, float]]:
    return [(row.name, row.dataset, round(row.number("att_cos"), 3)) for row in table.references]


@pytest.mark.parametrize("grouped", [False, True])
def test_scores_of_maps_stand_above_their_references_in_every_format(
    writer: ResultsWriter, tmp_path: Path, grouped: bool
) -> None:
    for name in ("vanilla", "au"):
        writer.evaluate(name, **{BLANK: 0.443, MEAN: 0.861, CEILING: 0.892})
    writer.evaluate_cross("there", "au", att_cos=0.5, n=8, accuracy=0.5, **{BLANK: 0.4})
    table = table_of(writer, grouped)
    faces = [("blank map", "faces", 0.443), ("class mean", "faces", 0.861), ("ceiling of the grid", "faces", 0.892)]
    assert references(table) == faces
    assert [(row.name, row.dataset) for row in table.cross_references] == [("blank map", "other")]
    text = table_text(table, 200)
    lines = [line.split("  ")[0] for line in text.splitlines()]
    assert lines[1:6] == ["vanilla", "au", "blank map", "class mean", "ceiling of the grid"]
    assert re.search(r"^class mean +[ –]+0\.861 +–$", text, re.MULTILINE)
    assert "a map of ones (blank map)" in text
    for write in (write_table_csv, write_table_markdown, write_table_latex):
        write(tmp_path / write.__name__, table)
    assert "| *blank map* |" in (tmp_path / "write_table_markdown").read_text()
    latex = (tmp_path / "write_table_latex").read_text()
    shown = r"\\midrule\nblank map .* 0\.443 .*\nclass mean .*\nceiling of the grid .*\n\\bottomrule"
    assert re.search(shown, latex)
    rows = {row["name"]: row for row in rows_of(tmp_path / "write_table_csv")}
    assert list(rows) == ["vanilla", "au", "there"]
    assert [rows["au"][key] for key in (BLANK, MEAN, CEILING)] == ["0.443", "0.861", "0.892"]
    assert [rows["there"][key] for key in (BLANK, MEAN, CEILING)] == ["0.4", "", ""]


def test_each_grid_and_data_set_has_references_of_its_own(writer: ResultsWriter) -> None:
    writer.evaluate("coarse", grid=4, **{CEILING: 0.7})
    writer.evaluate("fine", grid=8, **{CEILING: 0.9})
    writer.name("there", dataset="other")
    writer.evaluate("there", grid=8, **{CEILING: 0.8})
    assert references(table_of(writer)) == [
        ("ceiling of the grid, faces, 4 x 4", "faces", 0.7),
        ("ceiling of the grid, faces, 8 x 8", "faces", 0.9),
        ("ceiling of the grid, other, 8 x 8", "other", 0.8),
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_references_of_several_data_sets_are_told_apart_in_every_block_and_format(
    writer: ResultsWriter, tmp_path: Path, width: int
) -> None:
    writer.sections["datasets"]["third"] = {"adapter": "folder", "root": "third"}
    for number, dataset in enumerate(("faces", "other", "third")):
        writer.name(f"v-{dataset}", dataset=dataset)
        writer.evaluate(f"v-{dataset}", **{BLANK: 0.4 + 0.01 * number, "att_ccos": 0.3, "baseline.blank.att_ccos": 0})
    table = table_of(writer)
    wanted = [f"blank map, {dataset}" for dataset in ("faces", "other", "third")]
    blocks = table_text(table, width).split("\n\n")
    shown = [re.findall(r"^blank map[^\n]*?(?=  |$)", block, re.MULTILINE) for block in blocks]
    assert [names for names in shown if names]
    assert all(names == wanted for names in shown if names)
    for write in (write_table_markdown, write_table_latex):
        write(tmp_path / "table", table)
        assert all(name in (tmp_path / "table").read_text() for name in wanted)


def test_references_of_folds_are_averaged(writer: ResultsWriter) -> None:
    for fold, value in enumerate((0.6, 0.7)):
        writer.name(f"f{fold}", fold=fold)
        writer.evaluate(f"f{fold}", first=12 * fold, **{CEILING: value})
    assert "0.650 ± 0.071" in table_text(table_of(writer), 200)


def test_without_scores_of_maps_there_are_no_references(writer: ResultsWriter) -> None:
    writer.evaluate("plain")
    assert table_of(writer).references == []
    assert "map" not in table_text(table_of(writer), 200)


@pytest.mark.parametrize("repeats", [1, 2])
def test_deviations_are_explained_where_a_group_repeats(writer: ResultsWriter, repeats: int) -> None:
    for index in range(repeats):
        writer.name(f"au{index}", group="au")
        writer.evaluate(f"au{index}")
    assert ("standard deviation" in table_text(table_of(writer, grouped=True), 200)) == (repeats > 1)


def test_without_published_numbers_nothing_is_said_of_them(writer: ResultsWriter) -> None:
    writer.evaluate("au")
    assert "publish" not in table_text(table_of(writer), 200)


def test_where_all_answers_are_right_there_is_no_interval(writer: ResultsWriter) -> None:
    writer.evaluate("perfect", wrong=0)
    text = table_text(table_of(writer), 200)
    assert "100.0–100.0" not in text
    assert "there is no interval, though" in text


def test_flattered_scores_and_other_splits_are_said(writer: ResultsWriter) -> None:
    writer.evaluate("honest")
    assert "split" not in table_text(table_of(writer), 200)
    for number in range(2):
        writer.evaluate(f"flattered-{number}", selected_on="test")
    writer.evaluate_cross("there", "flattered-0", accuracy=0.5, selected_on="test")
    text = table_text(table_of(writer), 200)
    assert (
        "flattered-0, flattered-1 and there had their best epochs chosen on the test split, so their scores are" in text
    )
    for number in range(2, 9):
        writer.evaluate(f"flattered-{number}", selected_on="test")
    assert "10 rows had their best epochs chosen on the test split" in table_text(table_of(writer), 200)
    writer.evaluate("honest", split="valid")
    assert "honest was scored on the split valid." in table_text(table_of(writer), 200)


def test_the_frame_of_the_published_code_is_said(writer: ResultsWriter) -> None:
    writer.evaluate("repeated", resize="published")
    writer.evaluate("mine")
    text = " ".join(table_text(table_of(writer), 200).split())
    assert "repeated has its att_cos and cam_cos in the frame of the published code" in text

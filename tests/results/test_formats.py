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
    assert "published: Somebody 2022, Table 3" in text


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


def test_without_published_numbers_nothing_is_said_of_them(writer: ResultsWriter) -> None:
    writer.evaluate("au")
    assert "publish" not in table_text(table_of(writer), 200)


def test_where_all_answers_are_right_there_is_no_interval(writer: ResultsWriter) -> None:
    writer.evaluate("perfect", wrong=0)
    text = table_text(table_of(writer), 200)
    assert "100.0–100.0" not in text
    assert "no interval where every answer is right" in text


def test_flattered_scores_and_other_splits_are_said(writer: ResultsWriter) -> None:
    writer.evaluate("honest")
    assert "split" not in table_text(table_of(writer), 200)
    for number in range(2):
        writer.evaluate(f"flattered-{number}", selected_on="test")
    writer.evaluate_cross("there", "flattered-0", accuracy=0.5, selected_on="test")
    text = table_text(table_of(writer), 200)
    assert "chosen on the test split, so the scores are flattered: flattered-0, flattered-1, there" in text
    for number in range(2, 9):
        writer.evaluate(f"flattered-{number}", selected_on="test")
    assert "so the scores are flattered: 10 rows" in table_text(table_of(writer), 200)
    writer.evaluate("honest", split="valid")
    assert "scored on the split valid: honest" in table_text(table_of(writer), 200)

"""Sweeps on the page and in the tables of ``dvc plots``, and the page of some experiments."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import yaml

from fer_au.errors import ConfigError
from fer_au.report import write_report
from tests.cli.conftest import Call
from tests.cli.conftest import call as call

from .project import DEFAULT, GUIDED, Writer, experiment

ROOT = Path(__file__).parents[2]


def finished(root: Path, weights: tuple[float, ...] = (1.0, 4.0)) -> Path:
    """A project whose guided experiments differ in the weight alone."""
    writer = Writer(root)
    writer.dataset("faces")
    experiments = {"vanilla": experiment()}
    writer.experiment("vanilla", good=False)
    for weight in weights:
        experiments[f"au-w{weight:g}"] = experiment(guidance=[{**GUIDED[0], "weight": weight}])
        writer.experiment(f"au-w{weight:g}", good=True, seed=int(weight), accuracy=0.8)
    return writer.params(experiments)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_has_a_section_and_a_table_and_no_sweep_has_none(tmp_path: Path) -> None:
    params = finished(tmp_path)
    write_report(params, tmp_path, tmp_path / "page.html", plots=tmp_path / "plots")
    text = (tmp_path / "page.html").read_text()
    section = text[text.index('id="sweeps"') :].partition("</section>")[0]
    assert "weight of the guidance (lambda)" in section
    assert section.count('<figure class="panel">') == 3  # accuracy, att_cos, att_ccos
    values = re.findall(r'<tr><th scope="row">([^<]*)</th>', section)
    assert values == ["0", "1", "4"]
    assert section.count('class="dot') == 9
    sweep = rows_of(tmp_path / "plots/sweeps.csv")
    assert [row["value"] for row in sweep if row["metric"] == "accuracy"] == ["0", "1", "4"]
    assert [row["score"] for row in sweep if row["metric"] == "accuracy"] == ["0.75", "0.8", "0.8"]
    write_report(params, tmp_path, tmp_path / "two.html", experiments=["vanilla", "au-w1"], plots=tmp_path / "two")
    assert 'id="sweeps"' not in (tmp_path / "two.html").read_text()
    assert (tmp_path / "two/sweeps.csv").read_text().count("\n") == 1


def test_the_tables_of_plots_have_the_numbers_of_the_page(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.dataset("faces")
    writer.experiment("vanilla", good=False, **{"per_class.anger.accuracy": 0.25})
    writer.experiment("au", good=True, seed=1)
    write_report(writer.params(DEFAULT), tmp_path, tmp_path / "page.html", plots=tmp_path / "plots")
    curves = rows_of(tmp_path / "plots/curves.csv")
    assert [(row["experiment"], row["epoch"]) for row in curves[:2]] == [
        ("vanilla", "1"),
        ("vanilla", "2"),
    ]  # as the log counts
    assert len(curves) == 12
    assert (curves[0]["valid_accuracy"], curves[1]["valid_accuracy"]) == ("", "0.55")
    confusion = rows_of(tmp_path / "plots/confusion.csv")
    assert len(confusion) == 2 * 16
    assert sum(int(row["images"]) for row in confusion if row["experiment"] == "au") == 17
    classes = rows_of(tmp_path / "plots/per_class.csv")
    assert next(row["accuracy"] for row in classes if row["class"] == "anger") == "0.25"
    write_report(tmp_path / "params.yaml", tmp_path, tmp_path / "page.html", plots=tmp_path / "again")
    for table in ("curves", "confusion", "per_class", "sweeps"):
        assert (tmp_path / f"plots/{table}.csv").read_bytes() == (tmp_path / f"again/{table}.csv").read_bytes()


def test_the_plots_of_dvc_name_columns_that_the_tables_have(tmp_path: Path) -> None:
    write_report(finished(tmp_path), tmp_path, tmp_path / "page.html", plots=tmp_path / "report/plots")
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    history = (ROOT / "fer_au/training/history.py").read_text()
    for plot in plots:
        ((title, own),) = plot.items()
        ((table, column),) = own["y"].items()
        head = (tmp_path / table).read_text().splitlines()[0].split(",")
        assert own["x"] in head, title
        assert column in head or column in history or column == "loss", title
        template = (ROOT / own["template"]).read_text()
        assert "<DVC_METRIC_DATA>" in template
        json.loads(template)


def test_some_experiments_or_groups_are_chosen_by_name(tmp_path: Path) -> None:
    params = finished(tmp_path)
    write_report(params, tmp_path, tmp_path / "one.html", experiments=["au-w4"])
    text = (tmp_path / "one.html").read_text()
    assert "1 experiment on" in text
    assert "vanilla" not in text.partition('id="provenance"')[0]
    with pytest.raises(ConfigError, match="experiments has no 'au-w5'; did you mean au-w"):
        write_report(params, tmp_path, tmp_path / "none.html", experiments=["au-w5"])
    assert not (tmp_path / "none.html").exists()


def test_the_command_writes_a_page_anywhere_but_over_the_stage_s(call: Call, tmp_path: Path) -> None:
    finished(tmp_path)
    code, _, err = call("report", "--experiments", "vanilla, au-w1", "-o", "sent/two.html")
    assert (code, err) == (0, "report: 2 experiments; sent/two.html\n")
    assert not Path("report").exists()
    for words, line in (
        (("-o", "report/index.html"), "report/ is the output of a stage, which DVC replaces; name another file"),
        (("-o", "page.htm"), "unknown format '.htm'"),
        (("--experiments", ","), "--experiments: no name in it"),
        (("--experiments", "au-w2"), "did you mean au-w"),
    ):
        code, out, err = call("report", *words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert line in err

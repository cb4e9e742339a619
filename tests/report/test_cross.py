"""Models on other data sets stand on the page: their scores, and what one has beyond another."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from fer_au.report.collect import read_project
from fer_au.report.tables import cross_table
from fer_au.results.differences import compare

from .project import GUIDED, Writer, build, experiment

MakeParams = Callable[..., Path]


def test_scores_on_other_data_sets_are_listed(make_params: MakeParams, writer: Writer) -> None:
    params = make_params()
    writer.cross("away", "au", accuracy=0.123, **{"interval.accuracy.low": 0.1, "interval.accuracy.high": 0.2})
    params.write_text(params.read_text() + "cross:\n  away: {experiment: au, dataset: other}\n")
    text = build(params)
    assert "On other data sets" in text
    assert "0.123 <small>0.100 to 0.200</small>" in text
    assert "Differences on other data sets" not in text


def test_models_on_another_data_set_are_compared_in_pairs(make_params: MakeParams, writer: Writer) -> None:
    params = make_params()
    for name in ("au", "vanilla"):
        writer.cross(f"{name}-away", name, accuracy=0.5)
    entries = "".join(f"  {name}-away: {{experiment: {name}, dataset: other}}\n" for name in ("au", "vanilla"))
    params.write_text(params.read_text() + "cross:\n" + entries)
    (table,) = re.findall(r"Differences on other data sets</h4>(.*?)</table>", build(params), re.DOTALL)
    assert "au-away" in table
    assert "<td>vanilla-away</td>" in table
    project = read_project(params, params.parent)
    home = {one.name: one for one in project.experiments}
    (found,) = (row.comparison for row in cross_table(project).rows if row.comparison)  # type: ignore[union-attr]
    own = compare(home["au"], home["vanilla"])
    assert own is not None
    assert (found.accuracy, found.att_ccos) == (own.accuracy, own.att_ccos)


def test_a_group_ties_its_scores_on_other_data_sets(writer: Writer) -> None:
    writer.dataset("faces")
    own = {}
    for seed, accuracy in enumerate((0.25, 0.5)):
        writer.experiment(f"au-{seed}", good=True)
        own[f"au-{seed}"] = experiment(guidance=GUIDED, group="seeds")
        writer.cross(f"away-{seed}", f"au-{seed}", accuracy=accuracy)
    params = writer.params(own)
    entries = "".join(f"  away-{seed}: {{experiment: au-{seed}, dataset: other}}\n" for seed in (0, 1))
    params.write_text(params.read_text() + "cross:\n" + entries)
    text = build(params)
    assert "seeds on other" in text
    assert "<b>0.375</b> ± 0.177" in text

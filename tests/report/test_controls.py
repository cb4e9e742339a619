"""Maps beside those of a model that learnt shuffled labels."""

from __future__ import annotations

from typing import Any

import pytest

from fer_au.report.audit_section import label_rows
from fer_au.report.collect import read_project
from fer_au.report.stage import render_page
from fer_au.results.controls import control_text, find_controls
from fer_au.results.reading import read_results
from tests.report.project import GUIDED, Writer, experiment

SHUFFLED = {"train": {"labels": "shuffled"}}
ENTRIES: dict[str, dict[str, Any]] = {
    "vanilla": experiment(),
    "au": experiment(guidance=GUIDED, group="au"),
    "au-control": experiment(guidance=GUIDED, **SHUFFLED),
    "control": experiment(**SHUFFLED),
    "other-seed": experiment(seed=1, **SHUFFLED),
}


@pytest.fixture
def project(writer: Writer) -> Writer:
    """``au`` draws the same attention as its control; ``vanilla`` draws another one than its own."""
    writer.dataset("faces")
    for number, name in enumerate(ENTRIES):
        writer.experiment(name, good=name in ("au", "au-control", "control"), seed=number)
    return writer


def test_a_control_differs_in_its_labels_alone(project: Writer) -> None:
    found = read_project(project.params(ENTRIES), project.root)
    pairs = find_controls(found.experiments, found.params)
    assert [(own.name, control.name) for own, control in pairs] == [("vanilla", "control"), ("au", "au-control")]


def test_a_map_that_is_the_same_without_labels_fails(project: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_au.results.controls.BOUND", 0.7)  # all made-up maps have a blob in common
    path = project.params(ENTRIES)
    found = read_project(path, project.root)
    rows = {(row.experiment, row.title): row for row in label_rows(found.experiments, found.params)}
    same, different = rows["au", "attention, last layer"], rows["vanilla", "attention, last layer"]
    assert same.fails
    assert same.similarities[0].low > 0.5
    assert same.similarities[0].high > 0.7 > different.similarities[0].high
    assert not different.fails
    assert different.verdict == "depends on the labels"
    assert {title for _, title in rows} == {"attention, last layer", "CAM native"}
    page = render_page(found)
    assert "Beside models that learnt shuffled labels" in page
    results = read_results(path, project.root)
    entries = {one.name: one for one in results.experiments}
    text = control_text(entries["au"], results)
    assert text.startswith("Beside the control au-control, which learnt shuffled labels: att fails: nearly the same")
    assert control_text(entries["other-seed"], results) == ""

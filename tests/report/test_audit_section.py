from __future__ import annotations

from typing import Any

import numpy as np

from fer_au.evaluation.audit_metrics import audit_metrics, empty_audits
from fer_au.report.audit_section import audit_tables
from fer_au.report.collect import read_project
from fer_au.report.stage import render_page

from .project import DEFAULT, Writer


def audits() -> dict[str, Any]:
    """Attention that passes both audits, one CAM that is the picture's edges, and one that is as good as a Gaussian."""
    rng = np.random.default_rng(0)
    columns = empty_audits(40, ("randomisation", "faithfulness"), ("edges<b>", "layercam"))
    noise = rng.normal(0, 0.02, (30, 1))
    for name, full in {"att": 0.1, "cam.edges<b>": 0.95, "cam.layercam": 0.6}.items():
        values = columns[f"audit/randomisation/{name}"]
        values[:30] = full + noise[..., None]
        values[:30, 5] = 0.9 + noise
    for name, values in columns.items():
        if "faithfulness" in name:
            values[:30] = np.array([0.4, 0.6, 0.4, 0.5]) + rng.normal(0, 0.05, (30, 1))
    columns["audit/faithfulness/att"][:30] += [-0.2, 0.2, -0.2, 0.2]
    columns["audit/faithfulness/cam.layercam"][:30] += [-0.2, 0.0, 0.0, 0.0]
    columns["audit/faithfulness/baseline.class_mean"][:] = np.nan
    return audit_metrics(columns)


def test_each_map_gets_its_figures_and_a_verdict(writer: Writer) -> None:
    writer.dataset("faces")
    writer.experiment("vanilla", good=False)
    writer.experiment("au", good=True, seed=1, **audits())
    project = read_project(writer.params(DEFAULT), writer.root)
    (table,) = audit_tables(project.experiments)
    assert (table.experiment, table.images) == ("au", 30)
    verdicts = {row.title: (row.fails, row.verdict) for row in table.randomised}
    assert verdicts == {
        "attention, last layer": (False, "depends on the weights"),
        "CAM edges<b>": (True, "fails: nearly the same map without the trained weights"),
        "CAM layercam": (False, "depends on the weights: two untrained networks are more alike"),
    }
    faithful = {row.title: row for row in table.faithful}
    assert list(faithful)[-3:] == ["random map", "blank map: rows from the top", "centred Gaussian"]
    assert faithful["attention, last layer"].verdict == "better than a Gaussian by deletion, insertion and ROAD"
    assert faithful["CAM layercam"].verdict == "better than a Gaussian by deletion, not by insertion and ROAD"
    assert [row.title for row in table.faithful if row.fails] == ["CAM edges<b>"]
    assert faithful["centred Gaussian"].gains == []
    assert faithful["random map"].verdict == ""
    page = render_page(project)
    assert page.count('id="audits"') == 1
    assert '<a href="#audits">' in page
    assert "CAM edges&lt;b&gt;" in page
    assert "<strong>fails: no better than a Gaussian</strong>" in page


def test_one_audit_alone_shows_its_table_alone(writer: Writer) -> None:
    writer.dataset("faces")
    some = {key: value for key, value in audits().items() if "randomisation" in key or "survives" in key}
    writer.experiment("vanilla", good=False, **some, **{"audit.n": 30})
    writer.experiment("au", good=True, seed=1)
    project = read_project(writer.params(DEFAULT), writer.root)
    (table,) = audit_tables(project.experiments)
    assert len(table.randomised) == 3
    assert table.faithful == []
    assert "deletion gains" not in render_page(project)

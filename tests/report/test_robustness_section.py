from __future__ import annotations

import math

import numpy as np
import pytest

from fer_au.evaluation.robustness_metrics import UNDEFINED, Answers
from fer_au.evaluation.robustness_store import empty_answers
from fer_au.report.collect import read_project
from fer_au.report.robustness_section import robustness_tables
from fer_au.report.stage import render_page

from .project import CLASSES, DEFAULT, GUIDED, Writer, experiment

NAMES = ("moved", "mouth_occluded")


def answers_of(writer: Writer, losses: float) -> dict[str, Answers]:
    """All right on clean images; of each further strength, a share more is wrong. One face can't be covered."""
    truth = np.array([CLASSES.index(row.label) for row in writer.rows], np.uint16)
    found = empty_answers(len(truth), NAMES)
    for answers in found.values():
        strengths = answers.predicted.shape[1]
        answers.predicted[:] = truth[:, None]
        for place in range(strengths if strengths > 1 else 0):
            wrong = round(losses * (place + 1) / strengths * len(truth))
            answers.predicted[:wrong, place] = (truth[:wrong] + 1) % len(CLASSES)
    found["mouth_occluded"].predicted[-1] = found["mouth_occluded.control"].predicted[-1] = UNDEFINED
    return found


@pytest.fixture
def tables(writer: Writer):
    writer.dataset("faces", per_class=12)
    fits = {f"robustness.moved.{place}.att_ccos": 0.5 - 0.05 * place for place in range(6)}
    writer.experiment("vanilla", good=False, answers=answers_of(writer, 0.8))
    writer.experiment("au", good=True, seed=1, answers=answers_of(writer, 0.2), **fits)
    project = read_project(writer.params(DEFAULT), writer.root)
    return robustness_tables(project.experiments, {"vanilla": 0, "au": 1}), render_page(project)


def test_a_table_and_curves_for_each_disturbance(tables) -> None:
    moved, mouth = tables[0]
    assert [moved.disturbance, mouth.disturbance] == list(NAMES)
    assert (moved.images, mouth.images) == ("49", "48")
    assert (moved.control, bool(mouth.control)) == ("", True)
    assert [chart.title for chart in moved.charts] == ["accuracy", "att_ccos"]
    assert [chart.title for chart in mouth.charts] == ["accuracy"]
    vanilla, au = moved.rows
    assert vanilla.accuracy[0] == au.accuracy[0] == 1
    assert vanilla.accuracy[-1] == pytest.approx(0.2, abs=0.02)
    assert au.kept.low < au.kept.value < au.kept.high < 1
    assert au.kept.value == pytest.approx(np.trapezoid(au.accuracy, dx=0.2))
    assert math.isnan(moved.rows[0].gap.value)
    assert mouth.rows[0].gap.value == pytest.approx(1 - mouth.rows[0].accuracy[-1])


def test_what_guidance_saves_is_compared_in_pairs_and_corrected(tables) -> None:
    for table in tables[0]:
        vanilla, au = table.rows
        assert vanilla.difference is None
        assert math.isnan(vanilla.p)
        assert (vanilla.reference, au.reference, table.references) == ("", "vanilla", ["vanilla"])
        assert au.difference is not None
        assert au.difference.value == pytest.approx(vanilla.kept.value - au.kept.value, abs=0.01)
        assert au.difference.high < 0
        assert au.p == pytest.approx(2 * 2 / 10_001)  # the least of two comparisons
        assert math.isnan(vanilla.detectable)
        assert 0 < au.detectable < -au.difference.value


def test_each_experiment_is_compared_with_its_plain_twin_of_those_that_were_disturbed(writer: Writer) -> None:
    writer.dataset("faces", per_class=12)
    losses = {"plain-0": 0.8, "plain-1": 0.6, "plain-2": None, "au-1": 0.2, "au-2": 0.4}
    entries = {}
    for name, own in losses.items():
        answers = None if own is None else answers_of(writer, own)
        writer.experiment(name, good=False, answers=answers)
        entries[name] = experiment(seed=int(name[-1]), guidance=GUIDED if name.startswith("au") else [])
    project = read_project(writer.params(entries), writer.root)
    tables = robustness_tables(project.experiments, dict.fromkeys(losses, 0))
    for table in tables:
        twins = {row.experiment: row.reference for row in table.rows}
        assert twins == {"plain-0": "", "plain-1": "plain-0", "au-1": "plain-1", "au-2": "plain-0"}
        rows = {row.experiment: row for row in table.rows}
        assert rows["au-1"].difference.value == pytest.approx(
            rows["plain-1"].kept.value - rows["au-1"].kept.value, abs=0.01
        )
    least = [row.p for table in tables for row in table.rows if row.reference]
    assert least == [pytest.approx(6 * 2 / 10_001)] * 6  # of all comparisons of the data set
    section = render_page(project).split('<h2 id="robustness">')[1].split("</section>")[0]
    assert section.count("compared with</th>") == 2
    assert section.count("<td>plain-1</td>") == 2


def test_the_section_stands_in_the_page(tables) -> None:
    page = tables[1]
    assert "images; compared with vanilla</small>" in page
    assert page.count('id="robustness"') == 1
    assert '<a href="#robustness">' in page
    assert "mouth_occluded" in page
    assert "over the strengths, 0 for clean images" in page


def test_the_page_has_no_section_of_robustness_or_audits_without_results(writer: Writer) -> None:
    writer.dataset("faces")
    writer.experiment("vanilla", good=False)
    writer.experiment("au", good=True, seed=1)
    page = render_page(read_project(writer.params(DEFAULT), writer.root))
    assert "robustness" not in page
    assert 'id="audits"' not in page
    assert "#audits" not in page


def test_an_experiment_that_was_not_disturbed_is_left_out(writer: Writer) -> None:
    writer.dataset("faces")
    writer.experiment("vanilla", good=False)
    writer.experiment("au", good=True, seed=1, answers=answers_of(writer, 0.5))
    project = read_project(writer.params(DEFAULT), writer.root)
    for table in robustness_tables(project.experiments, {"vanilla": 0, "au": 1}):
        assert [row.experiment for row in table.rows] == ["au"]
        assert table.rows[0].difference is None

from __future__ import annotations

import math

import numpy as np
import pytest

from fer_au.evaluation.robustness_metrics import UNDEFINED, Answers
from fer_au.evaluation.robustness_store import empty_answers
from fer_au.report.collect import read_project
from fer_au.report.robustness_section import robustness_tables
from fer_au.report.stage import render_page

from .project import CLASSES, DEFAULT, Writer

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
        assert au.difference is not None
        assert au.difference.value == pytest.approx(vanilla.kept.value - au.kept.value, abs=0.01)
        assert au.difference.high < 0
        assert au.p == pytest.approx(2 * 2 / 10_001)  # the least of two comparisons
        assert math.isnan(vanilla.detectable)
        assert 0 < au.detectable < -au.difference.value


def test_the_section_stands_in_the_page(tables) -> None:
    page = tables[1]
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

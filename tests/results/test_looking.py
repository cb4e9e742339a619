"""What an attention score proves: beside maps that know no class, and on grids that are too coarse."""

from __future__ import annotations

import pytest

from fer_au.results.experiment import ExperimentResult
from fer_au.results.formats import table_text
from fer_au.results.looking import best_blind, is_too_coarse, looking_text, looks_at_units
from fer_au.results.reading import read_results
from fer_au.results.references import reference_metric
from fer_au.results.table import tabulate
from fer_au.results.words import describe
from tests.results.writer import ResultsWriter

BLIND = {"blank": 0.0, "gaussian": 0.509, "face": 0.573, "generic": 0.693, "class_mean": 0.95}
BASELINES = {f"baseline.{name}.att_ccos": score for name, score in BLIND.items()}


def result_of(writer: ResultsWriter, **metrics: float | str) -> ExperimentResult:
    writer.evaluate("au", **metrics)
    (entry,) = read_results(writer.params(), writer.root).experiments
    assert entry.result is not None
    return entry.result


def test_attention_below_any_map_that_knows_no_class_proves_nothing(writer: ResultsWriter) -> None:
    result = result_of(writer, att_ccos=0.66, **BASELINES)
    assert looks_at_units(result) is False
    assert best_blind(result) == ("all action units", 0.693)
    assert looking_text(result).startswith("It shows no sign of looking at action units: att_ccos 0.660")
    assert "It shows no sign of looking at action units" in " ".join(describe(result, [], 80).split())
    text = table_text(tabulate(read_results(writer.params(), writer.root)), 200)
    assert "au shows no sign of looking at action units: a map" in text
    assert "mask of the face" in text


def test_attention_above_all_of_them_looks_at_action_units_whatever_the_class_mean_reaches(
    writer: ResultsWriter,
) -> None:
    result = result_of(writer, att_ccos=0.7, **BASELINES)
    assert looks_at_units(result) is True
    assert looking_text(result).startswith("It looks at action units: att_ccos 0.700")
    assert "no sign" not in table_text(tabulate(read_results(writer.params(), writer.root)), 200)


def test_without_baselines_nothing_is_said(writer: ResultsWriter) -> None:
    result = result_of(writer, att_ccos=0.7)
    assert looks_at_units(result) is None
    assert looking_text(result) == ""


def test_a_heads_map_is_compared_on_its_own_grid(writer: ResultsWriter) -> None:
    own = {f"module.{key}": score - 0.2 for key, score in BASELINES.items()}
    result = result_of(writer, **{"att_ccos": 0.6, "module.att_ccos": 0.6}, **BASELINES, **own)
    assert looks_at_units(result) is False
    assert looks_at_units(result, "module.att_ccos") is True


def test_cams_have_no_references_in_the_frame_of_the_published_code(writer: ResultsWriter) -> None:
    """That code shifts attention, and the references with it, but not CAMs."""
    usual, published = result_of(writer), result_of(writer, resize="published")
    assert reference_metric(published, "ceiling", "att_cos") == "ceiling.att_cos"
    assert reference_metric(published, "ceiling", "cam_cos.native") == "ceiling.cam_cos.native"
    assert reference_metric(published, "ceiling", "cam_ccos.native") == reference_metric(
        usual, "ceiling", "cam_ccos.native"
    )


@pytest.mark.parametrize(("grid", "coarse"), [("4x4", True), ("14x6", True), ("7x7", False)])
def test_scores_on_moved_images_are_marked_below_seven_cells(writer: ResultsWriter, grid: str, coarse: bool) -> None:
    result = result_of(writer, att_ccos_moved=0.594, att_grid=grid)
    assert is_too_coarse(result, "att_ccos_moved") is coarse
    assert not is_too_coarse(result, "att_ccos")
    assert ("0.594 (too coarse to tell)" in describe(result, [], 80)) is coarse

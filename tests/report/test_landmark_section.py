from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fer_au.errors import DataError
from fer_au.landmarks.benchmark_results import (
    RESULTS,
    Cell,
    ExtractorNote,
    LandmarkResults,
    PairResult,
    read_results,
    write_results,
)
from fer_au.report import write_report
from fer_au.report.landmark_section import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    heat_cell,
    landmark_section,
    log_ticks,
    pareto_front,
    rate_text,
    shape_path,
)

from .test_stage import Page

MakeParams = Callable[..., Path]


def pair(detector: str, extractor: str, auc: float, rate: float, **changes: Any) -> PairResult:
    cells = {"jaw": Cell(n=9, error=0.061), "mouth": Cell(n=9, error=0.02)}
    values: dict[str, Any] = {
        "detector": detector,
        "extractor": extractor,
        "n": 10,
        "no_face": 1,
        "wrong_face": 0,
        "no_points": 0,
        "mean": 0.04321,
        "median": 0.04,
        "p95": 0.08,
        "failed": 0.1,
        "auc": auc,
        "scatter": 0.0398,
        "by_region": cells,
        "by_expression": {"fear": Cell(n=4, error=0.03), "anger": Cell(n=0, error=None)},
        "by_yaw": {},
        "detector_rate": 500.0,
        "extractor_rate": 300.0,
        "pair_rate": rate,
        "relative": 1.0,
    }
    return PairResult(**{**values, **changes})


def results(*pairs: PairResult, **changes: Any) -> LandmarkResults:
    note = ExtractorNote(summary="<b>trees</b>", origin="dlib", licence="BSL", training_data="300-W", limits="frontal")
    values: dict[str, Any] = {
        "source": "rendered <faces>",
        "images": 10,
        "people": 5,
        "keypoints": "dlib68",
        "template": "loose",
        "size": 256,
        "limit": 0.1,
        "wrong_face_iou": 0.1,
        "baseline": ("dlib-hog", "dlib68"),
        "timed": 10,
        "repeats": 3,
        "processor": "A <fast> one",
        "cores": 2,
        "load": 0.5,
        "versions": {"Python": "3.x"},
        "pairs": pairs,
        "skipped": {"other": "pip install <other>"},
        "extractors": {one.extractor: note for one in pairs},
    }
    return LandmarkResults(**{**values, **changes})


RUN = results(
    pair("dlib-hog", "dlib68", 0.60, 50),
    pair("dlib-hog", "mesh", 0.70, 30),
    pair("slow", "dlib68", 0.59, 40),
    pair("provided", "mesh", 0.90, 90),
    pair("dlib-hog", "mean-shape", 0.20, 100),
)


def page_of(params: Path, run: LandmarkResults | None) -> str:
    if run is not None:
        write_results(params.parent / RESULTS, run)
    output = params.parent / "report/index.html"
    write_report(params, params.parent, output)
    return output.read_text(encoding="utf-8")


def test_without_a_result_there_is_no_section(make_params: MakeParams) -> None:
    text = page_of(make_params(), None)
    Page(text)
    assert "nothing was measured yet; run <code>python -m benchmarks.landmarks</code>" in text
    assert 'id="extractors"' not in text
    assert "All pairs, the most exact first" not in text


def test_a_result_is_shown_as_table_plot_and_heat_tables(make_params: MakeParams) -> None:
    text = page_of(make_params(), RUN)
    page = Page(text)
    assert page.open == []
    section = text[text.index('id="extractors"') : text.index('id="guide"')]
    rows = re.findall(r"<tr.*?</tr>", section[section.index("All pairs") : section.index("What to know")], re.DOTALL)[
        2:
    ]
    order = [re.sub(r"<[^>]+>", " ", row).split()[:3] for row in rows]
    expected = ["true box mesh", "dlib-hog mesh", "dlib-hog dlib68", "slow dlib68", "dlib-hog mean-shape"]
    assert [" ".join(words) if words[0] == "true" else " ".join(words[:2]) for words in order] == expected
    for words in ("4.32", "3.98", "0.600", "1 · 0 · 0", "10.0", "10 faces of 5 people", "other was not measured"):
        assert words in section
    assert section.count('<path class="pair') == 4  # the floor has no mark
    assert "reaches an AUC of 0.200" in section
    assert section.count('<figure class="matrix">') == 3  # no pose, so no table by yaw
    assert ">6.1</td>" in section


def test_what_a_result_says_never_becomes_markup(make_params: MakeParams) -> None:
    text = page_of(make_params(), RUN)
    for words in ("<faces>", "<fast>", "<other>", "<b>trees"):
        assert words not in text
        assert words.replace("<", "&lt;").replace(">", "&gt;") in text


def test_equal_results_give_equal_pages(make_params: MakeParams) -> None:
    params = make_params()
    assert page_of(params, RUN) == page_of(params, RUN)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: "{", "landmarks.json"),
        (lambda run: json.dumps(run | {"format": "fer_au.landmark_benchmark/2"}), "format"),
        (lambda run: json.dumps(run | {"surprise": 1}), "surprise"),
        (lambda run: json.dumps(run | {"pairs": [run["pairs"][0] | {"auc": 1.5}]}), "pairs.0.auc"),
    ],
)
def test_a_damaged_result_is_one_line_that_names_it(
    tmp_path: Path, damage: Callable[[dict[str, Any]], str], message: str
) -> None:
    path = tmp_path / "landmarks.json"
    path.write_text(damage(json.loads(RUN.model_dump_json())))
    with pytest.raises(DataError, match=message) as caught:
        read_results(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    assert read_results(tmp_path / "none.json") is None
    write_results(tmp_path / "deep/run.json", RUN)
    assert read_results(tmp_path / "deep/run.json") == RUN
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["run.json"]


def test_the_choice_is_what_no_other_real_pair_beats() -> None:
    front = [(one.detector, one.extractor) for one in pareto_front(RUN.pairs)]
    assert front == [("dlib-hog", "mesh"), ("dlib-hog", "dlib68")]
    twins = [pair("a", "x", 0.5, 10), pair("b", "x", 0.5, 10), pair("c", "x", 0.5, 9), pair("d", "x", 0.0, 99)]
    assert [one.detector for one in pareto_front(twins)] == ["a", "b"]


def test_better_pairs_lie_further_up_and_to_the_right_and_all_inside() -> None:
    section = landmark_section(RUN)
    assert section is not None
    centres = {}
    for mark in section.plot.marks:
        numbers = [tuple(map(float, xy.split())) for xy in re.findall(r"[ML]([-\d.]+ [-\d.]+)", mark.path)]
        centres[mark.text.split(":")[0]] = (sum(x for x, _ in numbers) / len(numbers), numbers[0][1])
    (fast_x, fast_y), (exact_x, exact_y) = centres["dlib-hog + dlib68"], centres["dlib-hog + mesh"]
    assert fast_x > exact_x
    assert fast_y > exact_y
    for x, y in centres.values():
        assert LEFT - 10 <= x <= WIDTH - RIGHT + 10
        assert TOP - 10 <= y <= HEIGHT - BOTTOM + 10
    assert [mark.best for mark in section.plot.marks].count(True) == 2
    assert section.colours["mean-shape"] == 0
    assert len(set(section.colours.values())) == 3


def test_a_run_in_which_nothing_was_found_is_shown(make_params: MakeParams) -> None:
    lost = {"no_face": 10, "mean": None, "median": None, "p95": None, "scatter": None, "failed": 1.0, "relative": None}
    text = page_of(make_params(), results(pair("blind", "dlib68", 0.0, 0.0, extractor_rate=0.0, **lost)))
    Page(text)
    assert "10 · 0 · 0" in text
    assert landmark_section(results()) is None


def test_ticks_are_round_and_inside() -> None:
    assert log_ticks(0.5, 1.7) == [5, 10, 20, 50]
    assert log_ticks(-1, 4) == [0.1, 1, 10, 100, 1000, 10000]


def test_heat_cells_say_percent_and_number() -> None:
    assert heat_cell(Cell(n=3, error=0.0345)).text == "3.5"
    assert heat_cell(Cell(n=3, error=0.5)).share == 1
    assert heat_cell(Cell(n=0, error=None)).text == heat_cell(None).text == "–"


def test_rates_are_short() -> None:
    assert [rate_text(value) for value in (0, 3.456, 456.7, 1234.5, 99999)] == ["–", "3.5", "457", "1,234", ">10,000"]


@pytest.mark.parametrize("shape", ["circle", "square", "triangle", "diamond", "plus", "bar"])
def test_every_shape_is_drawn(shape: str) -> None:
    assert re.fullmatch(r"M[-\d. aLz]+", shape_path(shape, 3, 4))

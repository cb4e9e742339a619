"""The report's slices of test images, and the overlap of classes beside the confusion matrix."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from fer_au.report import write_report
from fer_au.report.collect import read_project
from fer_au.report.slice_section import slice_table
from tests.report.project import CLASSES, DEFAULT, GUIDED, Writer, experiment

OVERLAP = {
    "overlap.happiness.surprise": 0.2,
    "overlap.happiness.anger": 0.1,
    "overlap.surprise.anger": 0.7,
    "overlap_rank": 0.5,
    "overlap_rank_p": 0.33,
    "overlap_rank_n": 3,
    "interval.overlap_rank.low": -0.5,
    "interval.overlap_rank.high": 1.0,
}


def project(writer: Writer) -> Path:
    writer.dataset("faces", per_class=12)
    count = len(writer.rows)
    traits = {
        "yaw": np.where(np.arange(count) % 3 == 0, 50, 4).astype(np.float32),
        "pitch": np.zeros(count, np.float32),
        "detector": np.array([b"<i>one", b"two"])[np.arange(count) % 2],
    }
    writer.experiment("vanilla", good=False, traits=traits, **OVERLAP)
    writer.experiment("au", good=True, seed=1, traits=traits, **OVERLAP)
    return writer.params(DEFAULT)


def page_of(params: Path) -> str:
    write_report(params, params.parent, params.parent / "page.html")
    return (params.parent / "page.html").read_text()


def test_slices_have_rows_with_intervals_and_differences(writer: Writer) -> None:
    params = project(writer)
    found = read_project(params, params.parent).experiments
    table = slice_table(found)
    turned = [row for row in table.rows if (row.trait, row.part) == ("head turned, degrees", "over 45")]
    assert [(row.n, row.few) for row in turned] == [(len(range(0, len(writer.rows), 3)), True)]
    accuracy, attention = turned[0].scores[:2]
    assert accuracy.value == found[0].number("slice.pose.over_45.accuracy")
    assert attention.low < attention.value < attention.high
    assert not [row for row in table.rows if row.part == "30–45"]  # nobody
    (gaps,) = table.gaps
    assert (gaps.experiment, gaps.reference) == ("au", "vanilla")
    words = {(trait, part): cells for trait, part, cells in gaps.rows}
    _, (gap, p) = words["head turned, degrees", "over 45"]
    assert gap.low > 0.4  # of .2 and .8
    assert gap.p <= p < 0.05
    assert found[0].interval("slice.pose.over_45.att_ccos") == (attention.low, attention.high)


def test_the_page_shows_slices_and_overlap(writer: Writer) -> None:
    page = page_of(project(writer))
    section = page.split('<h2 id="slices">')[1].split("</section>")[0]
    assert "head turned, degrees: over 45 *" in section
    assert "&lt;i&gt;one" in section
    assert "<i>one" not in page
    assert "slice by slice" in section
    matrices = page.split('<h2 id="matrices">')[1].split("</section>")[0]
    assert matrices.count("Overlap of the AU maps") == 2
    assert "over 3 pairs" in matrices
    assert matrices.count("difference to vanilla") <= 1


def test_slices_and_overlap_are_compared_with_the_plain_twin(writer: Writer) -> None:
    project(writer)
    traits = {"yaw": np.where(np.arange(len(writer.rows)) % 2, 50, 4).astype(np.float32)}
    traits["pitch"] = np.zeros_like(traits["yaw"])
    entries = {}
    for seed in range(2):
        for name, guidance in (("plain", []), ("au", GUIDED)):
            writer.experiment(
                f"{name}-{seed}", good=bool(guidance), seed=seed, traits=traits, wrong_every=3 + seed, **OVERLAP
            )
            entries[f"{name}-{seed}"] = experiment(seed=seed, guidance=guidance)
    params = writer.params(entries)
    table = slice_table(read_project(params, writer.root).experiments)
    pairs = [("au-0", "plain-0"), ("plain-1", "plain-0"), ("au-1", "plain-1")]
    assert [(one.experiment, one.reference) for one in table.gaps] == pairs
    page = page_of(params)
    told = re.findall(r'Differences of <span class="chip c\d+">([\w-]+)</span> to ([\w-]+), slice by slice', page)
    assert told == pairs
    cards = page.split('<h2 id="matrices">')[1].split("</section>")[0].split("<h4>")[1:]
    named = [re.findall(r"difference to ([\w-]+):", card) for card in cards]
    assert named == [[], ["plain-0"], ["plain-0"], ["plain-1"]]


def test_evaluations_without_traits_have_no_section_of_slices(writer: Writer) -> None:
    writer.dataset("faces")
    writer.experiment("vanilla", good=False)
    writer.experiment("au", good=True)
    page = page_of(writer.params(DEFAULT))
    assert "know of no slices" in page
    assert 'id="slices"' not in page
    assert "Overlap of the AU maps" not in page
    assert len(CLASSES) == 4


def test_the_contents_list_the_headings_in_the_order_of_the_page(writer: Writer) -> None:
    page = page_of(project(writer))  # both are numbered by the style sheet
    headings = re.findall(r'<h2 id="(\w+)">', page)
    assert headings == re.findall(r'<li[^>]*><a href="#(\w+)">', page)

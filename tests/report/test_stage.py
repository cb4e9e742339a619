from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fer_au.errors import DataError, FerAuError
from fer_au.evaluation import write_metrics
from fer_au.report import write_report

from .project import GUIDED, HOSTILE, Writer, experiment

VOID = {"meta", "img", "br", "line", "polyline", "circle", "link", "input", "hr"}
MakeParams = Callable[..., Path]


class Page(HTMLParser):
    """Collects tags, attributes and text; fails on a tag that is closed in the wrong place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> in the wrong place, line {self.getpos()[0]}"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def build(params: Path, name: str = "index.html") -> str:
    output = params.parent / "report" / name
    write_report(params, params.parent, output)
    return output.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "told"), [("paper", True), ("corrected", False), ("a-labs-own", False)])
def test_sources_of_a_codebook_are_told_if_the_maps_are_of_that_very_one(
    writer: Writer, make_params: MakeParams, name: str, told: bool
) -> None:
    writer.codebook = name
    text = build(make_params())
    assert (f"Codebook {name}: The codebook of the AU-cue paper" in text) is told
    assert ("Sources: Belharbi, Pedersoli" in text) is told
    assert "Investigator&#39;s Guide" not in text


def test_tags_are_balanced_and_ids_are_unique(make_params: MakeParams) -> None:
    page = Page(build(make_params()))
    assert page.open == []
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {value.removeprefix("#") for tag, name, value in page.attributes if (tag, name) == ("a", "href")}
    assert targets == set(ids)


def test_the_page_needs_nothing_from_outside(make_params: MakeParams) -> None:
    text = build(make_params())
    page = Page(text)
    assert not {"script", "link", "iframe", "object", "base"}.intersection(page.tags)
    for tag, name, value in page.attributes:
        if name in ("src", "srcset", "href", "xlink:href", "data", "action", "poster"):
            assert value.startswith(("data:image/webp;base64,", "#")), (tag, name, value[:80])
        assert not name.startswith("on"), (tag, name)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in text


def test_hostile_names_are_shown_and_never_become_markup(make_params: MakeParams, writer: Writer) -> None:
    params = make_params(vanilla=experiment(), au=experiment(guidance=GUIDED, group='<img src=x onerror="a">'))
    text = build(params)
    page = Page(text)
    assert "script" not in page.tags
    assert "<script" not in text
    assert any("bad<0>.jpg" in part for part in page.text)
    assert any(HOSTILE[-12:] in part for part in page.text)
    assert any("<b>cut</b>" in part for part in page.text)
    assert any('<img src=x onerror="a">' in part for part in page.text)
    titles = [value for _, name, value in page.attributes if name == "title"]
    assert HOSTILE in titles
    assert any(HOSTILE in value for _, name, value in page.attributes if name == "alt")


def test_exactly_the_named_experiments_are_shown(make_params: MakeParams, writer: Writer) -> None:
    params = make_params()
    writer.experiment("retired", good=True)
    assert "retired" not in build(params)
    writer.params({"vanilla": experiment(), "retired": experiment()})
    text = build(params)
    assert "retired" in text
    assert ">au<" not in text


def test_an_experiment_without_cam_is_shown_as_such(make_params: MakeParams, writer: Writer) -> None:
    params = make_params()
    writer.experiment("bare", good=True, cams=())
    writer.params({"bare": experiment()})
    text = build(params)
    assert "None were computed." in text
    assert "no CAM" in text
    assert "No experiment without guidance" not in text


def test_without_a_vanilla_experiment_the_page_says_that_nothing_can_be_compared(make_params: MakeParams) -> None:
    assert "No experiment without guidance" in build(make_params(au=experiment(guidance=GUIDED)))


def test_missing_pieces_are_said_where_a_picture_would_be(make_params: MakeParams) -> None:
    text = build(make_params())
    for words in ("neutral: no AU map", "no landmarks found", "11 truncated", "The first 8 of 11", "68 points found"):
        assert words in text


@pytest.mark.parametrize(
    "name",
    [
        "metrics/au.json",
        "metrics/detail/au.json",
        "evaluation/au.h5",
        "models/au/history.csv",
        "models/au/config.json",
        "data/faces/manifest.csv",
        "data/faces/faces.h5",
        "data/faces/landmarks.h5",
        "data/faces/heatmaps.h5",
        "data/faces/rejects/align.csv",
    ],
)
def test_a_missing_file_is_one_line_that_names_it(make_params: MakeParams, name: str) -> None:
    params = make_params()
    (params.parent / name).unlink()
    with pytest.raises(DataError) as caught:
        build(params)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("models/au/config.json", "[]"),
        ("models/au/config.json", "{"),
        ("models/au/history.csv", "epoch,loss\n0,many\n"),
        ("models/au/history.csv", "epoch,loss\n0\n"),
        ("metrics/au.json", '{"accuracy": {"x": 1}}'),
        ("evaluation/au.h5", "not a store"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(make_params: MakeParams, name: str, content: str) -> None:
    params = make_params()
    (params.parent / name).write_text(content)
    with pytest.raises(DataError, match=name):
        build(params)


def test_no_experiments_is_an_error_that_names_the_file(writer: Writer) -> None:
    with pytest.raises(FerAuError, match=r"params\.yaml"):
        build(writer.params({}))


def test_results_of_another_data_set_are_refused(make_params: MakeParams, writer: Writer) -> None:
    params = make_params()
    writer.dataset("other", prefix="else")
    writer.params({"vanilla": experiment(dataset="other")})
    with pytest.raises(DataError, match=r"vanilla\.h5"):
        build(params)


def test_equal_inputs_give_equal_bytes(make_params: MakeParams) -> None:
    params = make_params()
    assert build(params, "one.html") == build(params, "two.html")


def test_two_data_sets_have_their_own_parts(make_params: MakeParams, writer: Writer) -> None:
    params = make_params()
    writer.dataset("other", prefix="else")
    writer.experiment("elsewhere", good=True)
    writer.params({"vanilla": experiment(), "elsewhere": experiment(dataset="other")})
    text = build(params)
    assert text.count("Data set <em>faces</em>") == text.count("Data set <em>other</em>") > 3


def test_scores_on_other_data_sets_are_listed(make_params: MakeParams, writer: Writer) -> None:
    params = make_params()
    write_metrics(params.parent / "metrics" / "cross" / "away.json", {"accuracy": 0.123})
    params.write_text(params.read_text() + "cross:\n  away: {experiment: au, dataset: other}\n")
    text = build(params)
    assert "On other data sets" in text
    assert "0.123" in text


def test_a_test_split_without_any_au_map_gives_a_page_that_says_none(writer: Writer) -> None:
    writer.dataset("faces", test_labels=("neutral",))
    undefined = dict.fromkeys(("att_cos", "att_ccos", "cam_cos.native", "cam_ccos.native", "ceiling.att_cos"))
    writer.experiment("vanilla", good=False, **undefined)
    writer.experiment("au", good=True, **undefined)
    text = build(writer.params({"vanilla": experiment(), "au": experiment(guidance=GUIDED)}))
    Page(text)
    assert text.count('<span class="missing">none</span>') == 8  # two experiments by four scores
    assert text.count("Nothing to show: no image with an AU map") == 4
    assert "no test image has an AU map (all neutral, or no landmarks found), so no attention is scored." in text
    assert "has no test image with an AU map: its attention can&#39;t be compared with that of vanilla." in text
    assert not re.search(r"\bnan\b", re.sub(r"<[^>]*>", " ", text))


def test_an_image_outside_an_experiments_fold_is_said_to_be_so(writer: Writer) -> None:
    writer.dataset("faces")
    writer.experiment("vanilla", good=False)
    writer.rows = [row for row in writer.rows if row.label != "surprise"]
    writer.experiment("fold", good=True)
    text = build(writer.params({"vanilla": experiment(), "fold": experiment(fold=1)}))
    assert "not in its test split" in text
    Page(text)

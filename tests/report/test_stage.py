from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from fer_au.errors import DataError, FerAuError
from fer_au.evaluation import write_metrics
from fer_au.measure.results import EXTERNAL, data_digest
from fer_au.models.config_file import read_config, write_config
from fer_au.report.collect import read_project
from fer_au.stores import Store
from fer_au.stores.columns import ColumnSpec
from fer_au.stores.writer import open_writer

from .project import GUIDED, HOSTILE, Writer, build, experiment

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
    labels = {value for _, name, value in page.attributes if name == "aria-labelledby"}
    assert targets | labels == set(ids)


def test_the_page_needs_nothing_from_outside(make_params: MakeParams) -> None:
    text = build(make_params())
    page = Page(text)
    assert not {"link", "iframe", "object", "base"}.intersection(page.tags)
    for tag, name, value in page.attributes:
        if name in ("src", "srcset", "href", "xlink:href", "data", "action", "poster"):
            assert value.startswith(("data:image/webp;base64,", "#")), (tag, name, value[:80])
        assert not name.startswith("on"), (tag, name)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in text


def test_one_script_runs_and_it_is_the_one_that_the_policy_names(make_params: MakeParams) -> None:
    text = build(make_params())
    page = Page(text)
    (policy,) = (value for tag, name, value in page.attributes if tag == "meta" and "default-src" in value)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    kinds = [value for tag, name, value in page.attributes if (tag, name) == ("script", "type")]
    assert page.tags.count("script") == len(kinds) + 1
    assert set(kinds) <= {"application/json", "application/base64"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script)


def test_hostile_names_are_shown_and_never_become_markup(make_params: MakeParams, writer: Writer) -> None:
    params = make_params(vanilla=experiment(), au=experiment(guidance=GUIDED, group='<img src=x onerror="a">'))
    text = build(params)
    page = Page(text)
    assert "<script>alert" not in text
    assert text.count("<script") == page.tags.count("script")
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
    assert "No such maps were computed." in text
    assert "no CAM" in text
    assert "There is no other experiment on this data set" in text


def test_without_a_vanilla_experiment_the_page_says_that_nothing_can_be_compared(make_params: MakeParams) -> None:
    assert "There is no experiment without guidance" in build(make_params(au=experiment(guidance=GUIDED)))


def test_copies_are_counted_by_what_is_wrong(make_params: MakeParams) -> None:
    text = build(make_params())
    for words in ("same bytes", "all are in data/faces/rejects/leaks.csv".capitalize(), "datasets.faces.on_leak"):
        assert words in text


def test_missing_pieces_are_said_where_a_picture_would_be(make_params: MakeParams) -> None:
    text = build(make_params())
    for words in (
        "neutral: no AU map",
        "no landmarks found",
        "11 truncated",
        "are the first 8 of 11",
        "68 points found",
    ):
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
        "data/faces/rejects/leaks.csv",
    ],
)
def test_a_missing_file_is_one_line_that_names_it(make_params: MakeParams, name: str) -> None:
    params = make_params()
    (params.parent / name).unlink()
    with pytest.raises(DataError) as caught:
        build(params)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_experiment_that_is_not_trained_is_said_to_be_so(make_params: MakeParams) -> None:
    params = make_params()
    shutil.rmtree(params.parent / "models/au")
    with pytest.raises(
        DataError, match=r"models/au/config.json: .*'au' isn't trained yet.*`fer-au report --experiments`$"
    ):
        build(params)


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


def test_maps_that_were_made_elsewhere_are_a_row(make_params: MakeParams, writer: Writer) -> None:
    params = make_params()
    assert "Maps that were made elsewhere" not in build(params)
    hashes = read_project(params, params.parent).datasets["faces"].content_hashes()
    figures = {"att_ccos": 0.321, "interval.att_ccos.low": 0.3, "interval.att_ccos.high": 0.345}
    for name, digest in (("theirs", data_digest(hashes)), ("old", data_digest(hashes | {"faces.h5": "0"}))):
        where = {"external.dataset": "faces", "external.split": "test", "external.data": digest}
        write_metrics(params.parent / EXTERNAL / f"{name}.json", figures | where)
    write_metrics(params.parent / EXTERNAL / "elsewhere.json", {"external.dataset": "gone", "att_ccos": 0.777})
    text = build(params)
    assert text.count("0.321") == 2
    assert text.count("0.300 to 0.345") == 2
    assert text.count("the data set has changed; measure again") == 1
    assert "0.777" not in text


def test_results_of_other_settings_are_named(make_params: MakeParams, writer: Writer) -> None:
    params = make_params()
    content = yaml.safe_load(params.read_text()) | {"cross": {"away": {"experiment": "au", "dataset": "other"}}}
    params.write_text(yaml.safe_dump(content))
    writer.cross("away", "au", accuracy=0.123)
    stages = {}
    for name, own in content["experiments"].items():
        settings = {"train": {"epochs": 3 if name == "au" else 8}, f"experiments.{name}": own}
        stages |= {f"train@{name}": {"params": {"params.yaml": settings}}, f"evaluate@{name}": {}}
    stages["cross@away"] = {"params": {"params.yaml": {"cross.away": content["cross"]["away"]}}}
    (writer.root / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))
    text = re.sub(r"<[^>]*>", "", build(params))
    assert "au is not up to date: params.yaml has changed since (train.epochs)." in text
    assert "awayis not up to date: params.yaml has changed since (train.epochs)" in text
    assert text.count("not up to date") == 3  # the sentence, the card of the model, and the entry of cross


def test_published_numbers_stand_beside_ours_with_their_meaning(make_params: MakeParams) -> None:
    params = make_params()
    without = build(params)
    assert "Beside published numbers" not in without
    file = params.with_name("params.published.yaml")
    rows = [
        {"row": "CAM <b>", "experiment": "au", "metrics": {"accuracy": 0.8895, "att_cos": 0.85}},
        {"row": "Elsewhere", "metrics": {"accuracy": 0.9}},
    ]
    file.write_text(yaml.safe_dump({"preset": "p", "source": "Somebody 2022, Table 3", "rows": rows}))
    text = build(params)
    (section,) = re.findall(r"Beside published numbers</h4>(.*?)</table>", text, re.DOTALL)
    assert section.count('<tr class="lead">') == section.count('<tr class="meaning">') == 2
    assert "CAM &lt;b&gt;" in section
    assert "Elsewhere" not in section
    assert ">88.95<" in section
    assert "The file doesn&#39;t say by which settings" in section
    assert "The published numbers come from Somebody 2022, Table 3." in text
    file.write_text("preset: p\nsource: s\nrows: 3\n")
    with pytest.raises(FerAuError, match=r"params\.published\.yaml: rows: "):
        build(params)
    file.unlink()
    assert build(params) == without


def test_a_test_split_without_any_au_map_gives_a_page_that_says_none(writer: Writer) -> None:
    writer.dataset("faces", test_labels=("neutral",))
    undefined = dict.fromkeys(("att_cos", "att_ccos", "cam_cos.native", "cam_ccos.native", "ceiling.att_cos"))
    writer.experiment("vanilla", good=False, **undefined)
    writer.experiment("au", good=True, **undefined)
    text = build(writer.params({"vanilla": experiment(), "au": experiment(guidance=GUIDED)}))
    Page(text)
    assert text.count('<span class="missing">none</span>') == 8  # two experiments by four scores
    assert text.count("There is nothing to show: no image has an AU map") == 4
    assert "have no test image with an AU map (all are neutral, or no landmarks were found), so no attention" in text
    assert "has no test image with an AU map, so its attention can&#39;t be compared with that of vanilla." in text
    assert not re.search(r"\bnan\b", re.sub(r"<[^>]*>", " ", text))


def test_an_image_outside_an_experiments_fold_is_said_to_be_so(writer: Writer) -> None:
    writer.dataset("faces")
    writer.experiment("vanilla", good=False)
    writer.rows = [row for row in writer.rows if row.label != "surprise"]
    writer.experiment("fold", good=True)
    text = build(writer.params({"vanilla": experiment(), "fold": experiment(fold=1)}))
    assert "not in its test split" in text
    Page(text)


def test_torch_is_not_loaded(make_params: MakeParams) -> None:
    params = make_params()
    code = (
        "import sys; from pathlib import Path; from fer_au.report import write_report; "
        "write_report(Path('params.yaml'), Path(), Path('page.html')); print({*sys.modules} & {'torch', 'timm'})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=params.parent, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_results_of_another_model_or_other_data_are_refused(writer: Writer, make_params: MakeParams) -> None:
    params = make_params()
    build(params)
    writer.root.joinpath("data/faces").rename(writer.root / "data/first")
    writer.dataset("faces")
    path = writer.root / "evaluation/au.h5"
    store = Store.open(path, "evaluation")
    columns = {name: store[name] for name in store.columns}
    faces = Store.open(writer.root / "data/first/faces.h5", "faces")
    options = {"fingerprint": store.fingerprint, "attributes": store.attributes}
    specs = {name: ColumnSpec.of(values) for name, values in columns.items()}
    with open_writer(path, "evaluation", specs, sources={"faces.h5": faces.content_sha256}, **options) as opened:
        for name, values in columns.items():
            opened.write(name, 0, values)
    with pytest.raises(
        DataError, match=r"evaluation/au\.h5: was made from something else than \S*data/faces/faces\.h5"
    ):
        build(params)
    writer.root.joinpath("data/faces").rename(writer.root / "data/second")
    writer.root.joinpath("data/first").rename(writer.root / "data/faces")
    build(params)
    config = writer.root / "models/au/config.json"
    write_config(config, {**read_config(config.parent), "weights_sha256": "1" * 64})
    with pytest.raises(DataError, match=r"metrics/au\.json: of another model than the one that lies there now"):
        build(params)


def test_what_crops_see_beyond_their_pictures_is_said(make_params: MakeParams) -> None:
    text = build(make_params())
    assert "Outside its picture lies 25 % of a crop (median); of 100 % of the crops, more than a tenth." in text
    assert "fit these pictures: see align.template." in text

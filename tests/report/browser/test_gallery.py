"""The gallery in a real browser: filters, order, overlays, keys, one face in full, and the state in the address."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_au.report import write_report
from fer_au.stores import Store
from tests.report.project import GUIDED, HOSTILE, Writer, experiment

from .conftest import Open, Visit


class Answers:
    """What the stores say, to compare the page with."""

    def __init__(self, root: Path, name: str) -> None:
        store = Store.open(root / "evaluation" / f"{name}.h5", "evaluation")
        self.ids = store.ids
        classes = store.attributes["classes"].split(",")
        probabilities = store["probabilities"]
        self.confidence = dict(zip(self.ids, probabilities.max(axis=1).tolist(), strict=True))
        labels = [label.decode() for label in store["label"].tolist()]
        predicted = [classes[k] for k in probabilities.argmax(axis=1)]
        self.label = dict(zip(self.ids, labels, strict=True))
        self.predicted = dict(zip(self.ids, predicted, strict=True))
        self.right = {id_: self.label[id_] == self.predicted[id_] for id_ in self.ids}
        self.score = dict(zip(self.ids, store["score/att_ccos"].tolist(), strict=True))


@pytest.fixture(scope="module")
def vanilla(page_file: Path) -> Answers:
    return Answers(page_file.parents[1], "vanilla")


@pytest.fixture(scope="module")
def au(page_file: Path) -> Answers:
    return Answers(page_file.parents[1], "au")


def test_all_faces_are_there_at_first_and_filters_leave_what_they_name(
    visit: Open, vanilla: Answers, au: Answers
) -> None:
    own = visit()
    assert own.shots() == vanilla.ids
    assert own.count() == f"All {len(vanilla.ids)} faces"
    own.choose("true", "happiness")
    assert own.shots() == [id_ for id_ in vanilla.ids if vanilla.label[id_] == "happiness"]
    own.page.get_by_role("button", name="reset").click()
    own.choose("answer", "wrong-right")
    expected = [id_ for id_ in vanilla.ids if not vanilla.right[id_] and au.right[id_]]
    assert expected, "the made-up answers must hold such a face"
    assert own.shots() == expected
    own.page.get_by_role("button", name="swap").click()
    assert own.shots() == [id_ for id_ in vanilla.ids if not au.right[id_] and vanilla.right[id_]]
    own.page.get_by_role("button", name="reset").click()
    some = next(iter(vanilla.predicted.values()))
    own.choose("predicted", some)
    assert own.shots() == [id_ for id_ in vanilla.ids if vanilla.predicted[id_] == some]
    own.page.get_by_role("button", name="reset").click()
    own.page.locator("[data-state=low]").fill("60")
    assert own.shots() == [id_ for id_ in vanilla.ids if vanilla.confidence[id_] >= 0.6]
    own.page.locator("[data-state=low]").fill("100")
    assert own.page.get_by_text("No face fits all of these").is_visible()


def test_slices_are_filters(visit: Open, vanilla: Answers) -> None:
    own = visit()
    own.choose("in-pose", "over_30")
    assert own.shots() == [id_ for k, id_ in enumerate(vanilla.ids) if k % 3 == 0]
    own.choose("in-detector", "yunet")
    assert own.shots() == [id_ for k, id_ in enumerate(vanilla.ids) if k % 6 == 3]


def test_faces_are_ordered_by_any_score_and_those_without_one_come_last(
    visit: Open, vanilla: Answers, au: Answers
) -> None:
    own = visit()
    own.choose("sort", "confidence")
    assert own.shots() == sorted(vanilla.ids, key=lambda id_: -vanilla.confidence[id_])
    own.choose("sort", "att_ccos")
    own.choose("of", "b")
    own.choose("order", "up")
    known = [id_ for id_ in au.ids if np.isfinite(au.score[id_])]
    assert own.shots()[: len(known)] == sorted(known, key=lambda id_: au.score[id_])
    own.choose("of", "a-b")
    assert own.shots()[: len(known)] == sorted(known, key=lambda id_: vanilla.score[id_] - au.score[id_])
    assert len(own.shots()) == len(au.ids) > len(known)


def pixels(own: Visit, layer: str) -> list[int]:
    """Sum of red, green, blue and alpha of the first face's map or lines, once it is drawn as the state wants it."""
    own.drawn()
    return own.page.evaluate(
        """layer => { const canvas = document.querySelector(`[data-part=grid] canvas.${layer}`);
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return [0, 1, 2, 3].map(k => data.filter((_, at) => at % 4 === k).reduce((sum, one) => sum + one, 0)); }""",
        layer,
    )


def test_overlays_are_switched_and_the_slider_sets_their_opacity(visit: Open) -> None:
    own = visit(q="happiness_1")
    layer, cam = pixels(own, "map"), None
    assert layer[3] > 0
    own.choose("map", "cam/native")
    cam = pixels(own, "map")
    assert cam[:3] != layer[:3]
    own.choose("map", "none")
    first = own.page.locator("[data-part=grid] .stack").first
    own.drawn()
    assert "heated" not in first.get_attribute("class")
    own.choose("map", "au")
    own.drawn()
    assert "heated" in first.get_attribute("class")
    slider = own.page.locator(".controls [data-state=opacity]")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowLeft")
    assert first.locator("canvas.map").evaluate("one => getComputedStyle(one).opacity") == "0.6"
    assert pixels(own, "lines")[3] == 0
    own.page.locator(".controls").get_by_label("landmarks", exact=True).check()
    points = pixels(own, "lines")[3]
    assert points > 0
    own.page.locator(".controls").get_by_label("regions", exact=True).check()
    assert pixels(own, "lines")[3] > points


def test_the_map_of_a_head_is_offered_where_there_is_one(visit: Open) -> None:
    own = visit(q="happiness_1")
    own.choose("map", "attention/2")
    own.choose("a", "head")
    maps = own.page.locator(".controls [data-state=map] option").evaluate_all("all => all.map(one => one.value)")
    assert "module" in maps
    assert not [key for key in maps if key.startswith("cam/")]


def test_one_face_in_full(visit: Open, vanilla: Answers, au: Answers) -> None:
    own = visit()
    own.choose("sort", "confidence")
    order = own.shots()
    own.page.locator("[data-part=grid] > button").nth(1).click()
    dialog = own.page.get_by_role("dialog")
    assert dialog.get_by_role("heading", level=3).inner_text() == order[1]
    assert dialog.locator("[data-part=place]").inner_text() == f"2 of {len(order)}"
    words = dialog.locator("[data-part=pair]").inner_text()
    for name, answers in (("vanilla", vanilla), ("au", au)):
        assert f"{answers.predicted[order[1]]} {answers.confidence[order[1]]:.2f}" in words
        assert name in words
    bars = dialog.locator(".bar-of").evaluate_all(
        "all => all.map(one => parseFloat(one.style.getPropertyValue('--v')))"
    )
    assert len(bars) == 8
    assert sum(bars) == pytest.approx(200, abs=0.1)
    scores = dialog.locator("[data-part=scores]").inner_text()
    assert f"{vanilla.score[order[1]]:.3f}".replace("-", "−") in scores.replace("–", "nan")
    own.page.keyboard.press("ArrowRight")
    assert dialog.get_by_role("heading", level=3).inner_text() == order[2]
    own.page.keyboard.press("ArrowLeft")
    own.page.keyboard.press("ArrowLeft")
    own.page.keyboard.press("ArrowLeft")  # there is none before the first
    assert dialog.get_by_role("heading", level=3).inner_text() == order[0]
    own.choose("b", "head", inside="dialog")
    assert "head’s own map" in dialog.locator("[data-part=maps]").inner_text()
    own.page.keyboard.press("Escape")
    assert not own.page.locator("dialog[open]").count()
    assert own.page.evaluate("document.activeElement.title") == order[0]


def test_keys_lead_through_the_page(visit: Open) -> None:
    own = visit()
    own.page.keyboard.press("/")
    assert own.page.evaluate("document.activeElement.dataset.state") == "q"
    own.page.keyboard.type("surprise")
    assert all("surprise" in id_ for id_ in own.shots())
    assert own.count().startswith("4 of ")
    own.page.keyboard.type("?/")
    assert not own.page.locator("dialog[open]").count()  # it was typed into the field
    own.page.locator("[data-state=q]").fill("")
    first = own.page.locator("[data-part=grid] > button").first
    first.focus()
    own.page.keyboard.press("ArrowRight")
    assert own.page.evaluate("document.activeElement.title") == own.shots()[1]
    own.page.keyboard.press("End")
    assert own.page.evaluate("document.activeElement.title") == own.shots()[-1]
    assert own.page.locator("[data-part=grid] > [tabindex='0']").count() == 1
    own.page.keyboard.press("?")
    assert own.page.get_by_role("dialog", name="Keys").is_visible()
    own.page.keyboard.press("Escape")
    assert not own.page.locator("dialog[open]").count()
    own.page.keyboard.press("Enter")
    assert own.page.get_by_role("dialog").get_by_role("heading", level=3).inner_text() == own.shots()[-1]


def test_a_view_is_sent_by_its_address(visit: Open) -> None:
    own = visit()
    assert own.state() == ""
    own.choose("a", "head")
    own.choose("sort", "entropy")
    own.choose("in-pose", "over_30")
    own.page.locator(".controls").get_by_label("regions", exact=True).check()
    own.page.locator("[data-part=grid] > button").nth(2).click()
    fragment, shots = own.state(), own.shots()
    assert fragment.startswith("#gallery?")
    other = visit()
    other.page.evaluate("hash => { location.hash = hash; }", fragment)
    other.page.get_by_role("dialog").wait_for()
    assert other.shots() == shots
    assert other.page.locator(".controls [data-state=regions]").is_checked()
    heading = "[data-part=id]"
    assert other.page.locator(heading).inner_text() == own.page.locator(heading).inner_text()
    assert other.state() == fragment


def test_an_address_that_names_what_is_not_there_gives_the_defaults(visit: Open, vanilla: Answers) -> None:
    own = visit(a="<script>", sort="no-such", map="cam/none", face="gone", set="other", low="x", nonsense="1")
    assert own.shots() == vanilla.ids
    assert own.page.locator(".controls [data-state=a]").input_value() == "vanilla"


def test_cells_of_a_confusion_matrix_open_their_faces(visit: Open, au: Answers) -> None:
    own = visit()
    link = own.page.get_by_role("link", name="happiness taken for happiness by au")
    count = sum(au.label[id_] == au.predicted[id_] == "happiness" for id_ in au.ids)
    assert f"{count} images" in link.get_attribute("aria-label")
    link.click()
    own.page.wait_for_timeout(300)
    assert own.shots() == [id_ for id_ in au.ids if au.label[id_] == au.predicted[id_] == "happiness"]
    assert own.page.locator(".controls [data-state=a]").input_value() == "au"
    assert own.page.locator("[data-gallery]").evaluate("one => Math.abs(one.getBoundingClientRect().top) < 500")


def test_questions_are_answered_by_a_click(visit: Open, vanilla: Answers) -> None:
    own = visit()
    own.page.get_by_role("link", name="Confident mistakes of vanilla").click()
    own.page.wait_for_timeout(300)
    wrong = [id_ for id_ in vanilla.ids if not vanilla.right[id_]]
    assert own.shots() == sorted(wrong, key=lambda id_: -vanilla.confidence[id_])


def test_hostile_names_are_text(visit: Open) -> None:
    own = visit(q="<script>")
    assert own.shots() == [HOSTILE]
    own.page.locator("[data-part=grid] > button").click()
    assert own.page.locator("[data-part=id]").inner_text() == HOSTILE
    parts = own.page.locator(".controls [data-state=in-detector] option").all_inner_texts()
    assert any(text.startswith("<i>dlib</i>") for text in parts)
    assert own.page.locator("dialog script, [data-gallery] :is(script, i:not(.bar-of), img[onerror])").count() == 0
    assert own.page.title().startswith("fer_au report")


def test_each_data_set_has_its_own_faces_and_models(visit: Open, tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.dataset("faces", per_class=2)
    writer.experiment("vanilla", good=False)
    writer.dataset("other", per_class=2, prefix="else/")
    writer.experiment("elsewhere", good=True, cams=())
    params = writer.params({"vanilla": experiment(), "elsewhere": experiment(dataset="other", guidance=GUIDED)})
    write_report(params, tmp_path, tmp_path / "page.html", images=3)
    own = visit(file=tmp_path / "page.html")
    assert own.count() == "All 3 faces; this page holds 3 of 9 test images"
    own.choose("set", "other")
    assert len(own.shots()) == 3
    assert all(id_.startswith("else/") for id_ in own.shots())
    assert own.page.locator(".controls [data-state=a]").input_value() == "elsewhere"
    fragment = own.state()
    assert fragment == "#gallery?set=other"
    own.page.get_by_role("link", name="happiness taken for happiness by vanilla").click()
    own.page.wait_for_timeout(300)
    assert not any(id_.startswith("else/") for id_ in own.shots())
    assert own.page.locator(".controls [data-state=set]").input_value() == "faces"

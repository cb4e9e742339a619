"""The tables of experiments in a real browser: order, filter, and both in the address."""

from __future__ import annotations

from .conftest import Open, Visit

ATTENTION = "table.scores >> nth=0"


def names(own: Visit) -> list[str]:
    """Experiments of the first table of scores, in the order of its visible rows."""
    rows = own.page.locator(ATTENTION).locator("tbody tr:visible th .chip")
    return [text.strip() for text in rows.all_inner_texts()]


def values(own: Visit, column: int) -> list[float]:
    cells = own.page.locator(ATTENTION).locator(f"tbody tr:visible td:nth-child({column})")
    return [float(cell.get_attribute("data-value") or "nan") for cell in cells.all()]


def head(own: Visit, key: str) -> None:
    own.page.locator(ATTENTION).get_by_role("button", name=f"sort by {key}", exact=True).click()


def test_a_head_sorts_the_best_first_then_the_other_way_then_as_it_was(visit: Open) -> None:
    own = visit()
    first = names(own)
    assert first == ["vanilla", "au", "head"]
    head(own, "att_ccos")
    assert values(own, 4) == sorted(values(own, 4), reverse=True)
    assert own.page.locator(ATTENTION).locator("th[aria-sort=descending]").inner_text().startswith("att_ccos")
    head(own, "att_ccos")
    assert values(own, 4) == sorted(values(own, 4))
    head(own, "att_ccos")
    assert names(own) == first
    assert own.page.locator(ATTENTION).locator("th[aria-sort]").count() == 0
    head(own, "experiment")
    assert names(own) == sorted(first)


def test_the_filter_leaves_rows_and_cards_that_have_every_word(visit: Open) -> None:
    own = visit()
    box = own.page.get_by_label("Show experiments with")
    box.fill("cosine au")
    assert names(own) == ["au", "head"]
    assert own.page.locator("details.modelcard:visible").count() == 2
    assert own.page.locator("[data-part=experiment-count]").inner_text() == "2 of 3"
    box.fill("no such word")
    assert names(own) == []
    box.fill("")
    assert names(own) == ["vanilla", "au", "head"]


def test_order_and_filter_are_in_the_address(visit: Open) -> None:
    own = visit()
    head(own, "att_ccos")
    own.page.get_by_label("Show experiments with").fill("cosine")
    assert own.state() == "#verdict?filter=cosine&sort=att_ccos"
    ordered = names(own)
    own.page.reload()
    assert names(own) == ordered
    assert own.page.get_by_label("Show experiments with").input_value() == "cosine"
    own.page.evaluate("location.hash = '#verdict?sort=nothing'")
    own.page.wait_for_timeout(100)
    assert names(own) == ["vanilla", "au", "head"]


def test_cards_are_closed_at_first_and_open_by_the_keyboard(visit: Open) -> None:
    own = visit()
    card = own.page.locator("details.modelcard").first
    assert not card.locator("dl").is_visible()
    card.locator("summary").focus()
    own.page.keyboard.press("Enter")
    assert card.locator("dl").is_visible()
    assert "no guidance" in card.inner_text()

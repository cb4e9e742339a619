"""The whole page in a real browser: on narrow screens, in the dark, printed, without its script, by WCAG's rules."""

from __future__ import annotations

import pytest

from .conftest import Open

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


@pytest.mark.parametrize(
    ("width", "scheme", "other"), [(1440, "light", "dark"), (390, "dark", None), (390, "light", None)]
)
def test_no_rule_of_wcag_aa_is_broken(visit: Open, width: int, scheme: str, other: str | None) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    own = visit(width, scheme)
    whole = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    found = axe.run(own.page, options=whole)
    assert found.violations_count == 0, found.generate_report()
    own.page.locator("[data-part=grid] > button").first.click()
    found = axe.run(own.page, context="dialog[open]", options=whole)
    assert found.violations_count == 0, found.generate_report()
    if other:  # of all rules, only that of contrast depends on the scheme, and hardly on the width
        own.page.keyboard.press("Escape")
        own.page.emulate_media(color_scheme=other)
        colours = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
        found = axe.run(own.page, options=colours)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_is_wider_than_the_window(visit: Open, width: int) -> None:
    own = visit(width)
    assert own.page.evaluate("document.documentElement.scrollWidth") <= width
    own.page.locator("[data-part=grid] > button").first.click()
    assert own.page.locator("dialog[open]").evaluate("one => one.scrollWidth - one.clientWidth") <= 0


def test_without_its_script_the_page_is_whole(visit: Open) -> None:
    own = visit(script=False)
    assert own.page.get_by_role("heading", name="Test images", exact=True).is_visible()
    assert not own.page.locator("[data-gallery]").is_visible()
    assert not own.page.get_by_role("link", name="Gallery").is_visible()
    assert own.page.locator(".matrix td a").count() == 0


def test_the_gallery_is_not_printed(visit: Open) -> None:
    own = visit()
    assert own.page.locator("[data-gallery]").is_visible()
    own.page.emulate_media(media="print")
    assert not own.page.locator("[data-gallery]").is_visible()
    assert own.page.get_by_role("heading", name="Test images", exact=True).is_visible()


def test_a_script_that_was_put_in_does_not_run(visit: Open) -> None:
    own = visit()
    own.page.evaluate(
        """() => { const put = document.createElement("script"); put.textContent = "document.title = 'ran'";
        document.body.append(put); }"""
    )
    assert own.page.title() != "ran"
    assert "Content Security Policy" in own.faults.pop()

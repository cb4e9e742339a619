"""Links between the pages lead somewhere."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from tools.site.pages import slug

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, formed as GitHub does."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {slug(heading) for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^\]]+\]: (\S+)$", text, re.MULTILINE):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def test_the_index_links_every_page_and_names_what_exists() -> None:
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"} <= linked
    calls = re.findall(r"`(fer_au(?:\.[a-z]+)*)\.([A-Z]\w+|[a-z]+_\w+)[.(]", text)
    assert len(calls) > 5
    for module, name in calls:
        assert hasattr(import_module(module), name)
    lists = re.findall(r"`(list_\w+)`", text)
    assert len(lists) == len(set(lists)) == 9
    rooms = [import_module(f"fer_au.{room}") for room in ("cam", "cues", "datasets", "faces", "landmarks", "models")]
    rooms.append(import_module("fer_au.training"))
    for name in lists:
        assert sum(name in room.__all__ for room in rooms) == 1

"""The site has every page once, in the order of the index, and asks no other host for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from tools.site.pages import OUTSIDE, ROOMS, api_pages, linked_files, place_of, rewrite, source_of

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def places(nav: object) -> Iterator[str]:
    """Pages of the navigation, in its order."""
    for item in nav if isinstance(nav, list) else [nav]:
        if isinstance(item, dict):
            yield from places(next(iter(item.values())))
        else:
            yield item


NAV = list(places(CONFIG["nav"]))


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [page.name for page in (ROOT / "docs").glob("*.md")]
    assert sorted(NAV) == sorted([*pages, *OUTSIDE.values(), *api_pages()])


def test_the_order_is_that_of_the_index() -> None:
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([^)#\s]+\.md)", text)
    order = [place_of(os.path.normpath(f"docs/{target}")) for target in dict.fromkeys(linked)]
    assert ["index.md", *order] == [page for page in NAV if not page.startswith("api/")]


def test_links_lead_to_places_of_the_site_and_fences_stay() -> None:
    text = "[a](../README.md#share) [b](params.md) [c](../NOTICE)\n```\n[d](../README.md)\n```\n[e](https://x.org/a.md)"
    expected = text.replace("../README.md#share", "readme.md#share").replace("../NOTICE", "files/NOTICE.txt")
    assert rewrite(text, "docs/index.md") == expected
    assert rewrite("![x](docs/img/demo.jpg) [y](docs/index.md#python)", "README.md") == (
        "![x](img/demo.jpg) [y](index.md#python)"
    )
    assert rewrite("[no](nowhere.md)", "docs/index.md") == "[no](nowhere.md)"  # the build refuses it
    assert linked_files("[c](../NOTICE) [b](params.md)", "docs/index.md") == {"NOTICE", "docs/params.md"}


def test_every_page_knows_its_file() -> None:
    for place in NAV:
        source = source_of(place)
        assert (source is None) == place.startswith("api/")
        assert source is None or place_of(source) == place


def test_the_reference_has_every_public_name_of_its_rooms() -> None:
    pages = api_pages()
    for room in ROOMS:
        package = import_module("fer_au" if room == "fer_au" else f"fer_au.{room}")
        entries = re.findall(r"^::: (\S+)\.(\w+)$", pages[f"api/{room}.md"], re.MULTILINE)
        assert sorted(name for _, name in entries) == sorted(set(package.__all__) - {"__version__"})
        for module, name in entries:
            assert getattr(import_module(module), name) is getattr(package, name)


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_no_other_host(tmp_path: Path) -> None:
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {
        path.relative_to(tmp_path / "site").as_posix(): path.read_text(encoding="utf-8")
        for path in (tmp_path / "site").rglob("*.html")
    }
    assert {place.replace(".md", ".html") for place in NAV} <= pages.keys()
    for name, text in pages.items():
        asked = re.findall(r'<(?:script|img|iframe|source)[^>]*\bsrc="?(https?:[^" >]*)', text)
        asked += re.findall(r'<link[^>]*\bhref="?(https?:[^" >]*)', text)
        assert asked == [], name
    for style in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?https?:", style.read_text(encoding="utf-8"))
    assert (tmp_path / "site/files/NOTICE.txt").read_bytes() == (ROOT / "NOTICE").read_bytes()
    assert "render_au_maps" in (tmp_path / "site/search/search_index.js").read_text(encoding="utf-8")

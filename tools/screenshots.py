"""Photograph the report of a finished run on the demo faces for the pages of ``docs``: ``python -m tools.screenshots``.

The page is written anew, into a temporary folder, and opened in a real browser: Debian's chromium, driven by playwright
(extra ``dev``). The demo's faces are the project's own, so that the pictures may be published; others are refused.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.shared.browser import NAMES, find_chromium, start_chromium
from fer_au.ending import run_main
from fer_au.errors import DataError
from fer_au.report import write_report
from fer_au.report.collect import read_project

DATASET = "demo"
MAX_BYTES = 400_000


@dataclass(frozen=True)
class Shot:
    """One picture of the page.

    Attributes:
        name: Name of the file, without suffix.
        width: Width of the window in pixels.
        height: Its height; the picture shows the window.
        element: CSS selector of what stands at its top.
        state: Values of the gallery's part of the address; none for other sections.
    """

    name: str
    width: int
    height: int
    element: str
    state: tuple[tuple[str, str], ...] = ()


SHOTS = (
    Shot("report", 1280, 860, "body"),
    Shot("report-gallery", 1280, 500, "[data-part=count]", (("answer", "wrong-right"),)),
    Shot("report-face", 1280, 760, "dialog[open]", (("answer", "wrong-right"), ("face", "first"))),
    Shot("report-phone", 390, 780, "#gallery", (("answer", "wrong-right"),)),
)


def take(page: Page, file: Path, shot: Shot) -> bytes:
    """Open the page as a shot says and photograph the window.

    Raises:
        DataError: The page lacks what the shot is about.
    """
    page.set_viewport_size({"width": shot.width, "height": shot.height})
    values = dict(shot.state)
    wants_face = values.pop("face", "")
    page.goto("about:blank")
    page.goto(file.as_uri() + (f"#gallery?{urlencode(values)}" if values else ""))
    if wants_face:
        page.locator("[data-part=grid] > button").first.click()
    found = page.locator(shot.element).first
    if not found.count():
        raise DataError(f"{file}: the page has no {shot.element!r} for the picture {shot.name!r}")
    found.evaluate("one => { one.scrollIntoView({block: 'start'}); scrollBy(0, -16); }")
    page.wait_for_timeout(600)  # faces are drawn when they come into view
    return page.screenshot()


def save(png: bytes, path: Path) -> None:
    """Write a photograph as JPEG.

    Raises:
        DataError: It is larger than pictures of the repository may be.
    """
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(buffer, "JPEG", quality=82, optimize=True, progressive=True)
    if buffer.tell() > MAX_BYTES:
        raise DataError(f"{path}: {buffer.tell()} bytes are more than {MAX_BYTES}")
    path.write_bytes(buffer.getvalue())


def main() -> None:
    """Write the page of a run, and its pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="project folder with a finished run")
    parser.add_argument("--out", type=Path, default=Path("docs/img"))
    arguments = parser.parse_args()
    params = arguments.root / "params.yaml"
    if others := sorted({*read_project(params, arguments.root).datasets} - {DATASET}):
        raise DataError(f"{params}: pictures of {', '.join(others)} may not be published; the demo's alone are our own")
    browser_path = find_chromium()
    if browser_path is None:
        raise DataError(f"no browser: install one of {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder).resolve() / "index.html"
        write_report(params, arguments.root, file)
        browser = start_chromium(playwright, browser_path)
        page = browser.new_page(color_scheme="light")
        for shot in SHOTS:
            save(take(page, file, shot), arguments.out / f"{shot.name}.jpg")
        browser.close()


if __name__ == "__main__":
    sys.exit(run_main(main))

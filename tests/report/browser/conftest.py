"""A real browser on one small page; the tests skip, and say why, where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import numpy as np
import pytest

from benchmarks.shared.browser import find_chromium, start_chromium
from fer_au.report import write_report
from tests.report.project import GUIDED, Writer, experiment

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

GROUP = '<img src=x onerror="document.title=1">'
SUBJECT = b"<b>p</b>"


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of three experiments, with hostile names, turned heads, and an image without a crop."""
    writer = Writer(tmp_path_factory.mktemp("project"))
    writer.dataset("faces")
    n = len(writer.rows)
    turned = np.where(np.arange(n) % 3 == 0, 40.0, 5.0).astype(np.float32)
    traits = {
        "yaw": turned,
        "pitch": np.zeros(n, np.float32),
        "detector": np.array([b"<i>dlib</i>", b"yunet"])[np.arange(n) % 2],
        "subject": np.full(n, SUBJECT),
    }
    writer.experiment("vanilla", good=False, seed=3, wrong_every=2, traits=traits)
    writer.experiment("au", good=True, seed=4, wrong_every=3, traits=traits, cams=("native", "gradcam"))
    writer.experiment("head", good=True, seed=5, traits=traits, module=True, cams=())
    own = {"vanilla": experiment(), "au": experiment(guidance=GUIDED, group=GROUP), "head": experiment(guidance=GUIDED)}
    output = writer.root / "report/index.html"
    write_report(writer.params(own), writer.root, output)
    return output


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a file of tests."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[dev]'")
    path = find_chromium()
    if path is None:
        pytest.skip("no chromium found on PATH: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        started = start_chromium(playwright, path)
        yield started
        started.close()


@dataclass
class Visit:
    """An open page, with what it complained of and what it asked for."""

    page: Page
    address: str
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def count(self) -> str:
        return self.page.locator("[data-part=count]").inner_text()

    def shots(self) -> list[str]:
        """Ids of the faces that the gallery shows, in order."""
        return self.page.locator("[data-part=grid] > button").evaluate_all("all => all.map(one => one.title)")

    def choose(self, key: str, value: str, *, inside: str = ".controls") -> None:
        self.page.locator(f"{inside} [data-state='{key}']").select_option(value)

    def drawn(self) -> None:
        """Wait until the browser has told the gallery which faces are in view, and has shown them."""
        self.page.locator("[data-part=grid] > button").first.scroll_into_view_if_needed()
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.page.wait_for_timeout(100)

    def state(self) -> str:
        """The fragment of the address, once it is written."""
        self.page.wait_for_timeout(250)
        return self.page.evaluate("location.hash")


Open = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, page_file: Path) -> Iterator[Open]:
    """Opens the page; afterwards, it must have had no fault and have asked for nothing but itself."""
    visits: list[Visit] = []

    def open_page(
        width: int = 1440, scheme: str = "light", *, script: bool = True, file: Path = page_file, **values: str
    ) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
        )
        own = Visit(context.new_page(), file.as_uri())
        own.page.set_default_timeout(20_000)
        own.page.on("console", lambda told: own.faults.append(told.text) if told.type == "error" else None)
        own.page.on("pageerror", lambda error: own.faults.append(str(error)))
        own.page.on("request", lambda request: own.requests.append(request.url))
        own.page.goto(file.as_uri() + (f"#gallery?{urlencode(values)}" if values else ""))
        visits.append(own)
        return own

    yield open_page
    for own in visits:
        own.page.context.close()
        assert own.faults == []
        assert [url[:90] for url in own.requests if not url.startswith(("data:image/webp;base64,", own.address))] == []

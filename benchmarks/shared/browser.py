"""A chromium of this machine, driven by playwright, for pages that are measured, photographed or tested."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
"""Programs that are taken, the first of them on PATH."""


def find_chromium() -> str | None:
    """Find a browser on PATH; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def start_chromium(playwright: Playwright, path: str) -> Browser:
    """Start a browser without a window, outside its sandbox for root alone, whom the sandbox refuses."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])

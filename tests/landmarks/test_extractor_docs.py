"""``docs/extractors.md`` shows what is there."""

from __future__ import annotations

import re
from pathlib import Path

from fer_au.landmarks import EXTRACTORS
from fer_au.landmarks.mediapipe import MIN_PRESENCE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/extractors.md").read_text(encoding="utf-8")


def test_the_table_lists_the_built_in_extractors():
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE, re.MULTILINE)) == set(EXTRACTORS.built_in)


def test_numbers_files_and_commands_exist():
    assert f"less likely than {MIN_PRESENCE}" in PAGE
    named = re.findall(r"(?:fer_au|tools|tests)/[\w/]+(?:\.\w+)?", PAGE)
    assert len(set(named)) >= 3
    assert [name for name in named if not (ROOT / name).exists()] == []

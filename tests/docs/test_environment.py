"""The table of environment variables is complete."""

from __future__ import annotations

import re
from pathlib import Path

from fer_au.batches.image_cache import image_cache_bytes

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs/sharing.md").read_text(encoding="utf-8").split("## Environment variables")[1].split("\n## ")[0]


def test_every_variable_that_the_code_reads_is_in_the_table() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "fer_au").rglob("*.py"))
    read = set(re.findall(r"(?<![_A-Z])FER_AU_[A-Z_]+", code))
    assert read == set(re.findall(r"^\| `(\w+)` \|", TABLE, re.MULTILINE))


def test_defaults_of_the_table_are_those_of_the_code(monkeypatch) -> None:
    monkeypatch.delenv("FER_AU_IMAGE_CACHE_MB", raising=False)
    assert f"| {image_cache_bytes() >> 20} |" in TABLE

"""``docs/extractors.md`` shows what is there."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from fer_au.datasets.csv_labels import CsvConfig
from fer_au.landmarks import EXTRACTORS
from fer_au.landmarks.mediapipe import MIN_PRESENCE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/extractors.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_table_lists_the_built_in_extractors():
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE, re.MULTILINE)) == set(EXTRACTORS.built_in)


def test_the_entries_of_data_sets_are_valid():
    entries = [entry for block in blocks("yaml") for entry in yaml.safe_load(block).values()]
    assert len(entries) == 3
    assert all(CsvConfig.model_validate(entry).points is not None for entry in entries)


def test_the_entry_point_is_the_examples():
    (block,) = blocks("toml")
    assert block in (ROOT / "tests/plugins/lab_parts/pyproject.toml").read_text(encoding="utf-8")


def test_numbers_files_and_commands_exist():
    assert f"less likely than {MIN_PRESENCE}" in PAGE
    named = re.findall(r"(?:fer_au|tools|tests)/[\w/]+(?:\.\w+)?", PAGE)
    assert len(set(named)) >= 4
    assert [name for name in named if not (ROOT / name).exists()] == []

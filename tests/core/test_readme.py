"""What the README shows, and the tables of names that it links, must be so as they stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
import yaml

from fer_au.config.experiments import GuidanceConfig
from fer_au.cues import list_cues
from fer_au.decoding import MAX_PIXELS
from fer_au.faces import list_detectors
from fer_au.landmarks import EXTRACTORS, list_extractors
from fer_au.models import list_heads
from fer_au.models.nets.base import NETS
from fer_au.picture_formats import FORMATS
from fer_au.training import list_losses

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_names_the_two_commands_and_shows_a_picture_that_exists() -> None:
    assert "$ make repro" in README
    assert "$ make test" in README
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).stat().st_size <= 300_000


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120


def test_the_table_of_stages_is_that_of_the_pipeline() -> None:
    stages = set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = page.split("| stage |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z]+)(?:@NAME)?` \|", table, re.MULTILINE)) == stages


@pytest.mark.parametrize(
    ("page", "part", "names"),
    [
        ("methods", "head", list_heads()),
        ("methods", "name", NETS.names()),
        ("methods", "cue", list_cues()),
        ("methods", "loss", list_losses()),
        ("methods", "`source`", get_args(GuidanceConfig.model_fields["source"].annotation)),
        ("landmarks", "detector", list_detectors()),
        (
            "extractors",
            "name",
            [name for name in list_extractors() if EXTRACTORS.get(name).__module__[:7] == "fer_au."],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_table_lists_every_name(page: str, part: str, names: Sequence[str]) -> None:
    text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    table = text.split(f"\n| {part} |")[1].split("\n\n")[0]
    cells = re.findall(r"^\| ([^|]*) \|", table, re.MULTILINE)
    assert sorted(re.findall(r"`([^`]+)`", " ".join(cells))) == sorted(names)
    assert f"(docs/{page}.md)" in README


def test_the_readme_says_which_pictures_are_read() -> None:
    listed, megapixels = re.findall(r"^((?:\w+, )+\w+ and \w+) files of up to (\d+) megapixels", README, re.MULTILINE)[
        0
    ]
    assert {name.upper() for name in re.split(", | and ", listed)} == set(FORMATS)
    assert int(megapixels) * 1_000_000 == MAX_PIXELS

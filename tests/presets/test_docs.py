"""What the guides say of presets and methods must be so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fer_au.cues import list_cues
from fer_au.errors import ConfigProblemsError
from fer_au.models import list_heads
from fer_au.models.nets.base import NETS
from fer_au.models.pretrained import FACES, PACKAGES
from fer_au.presets import expand, list_presets, load_preset
from fer_au.presets.grid import parse_grid
from fer_au.presets.needs import preset_needs
from fer_au.presets.preset import Preset
from fer_au.training import list_losses
from tests.docs.blocks import read_blocks, read_commands

DOCS = Path(__file__).parents[2] / "docs"
PRESETS = (DOCS / "presets.md").read_text(encoding="utf-8")
METHODS = (DOCS / "methods.md").read_text(encoding="utf-8")
BLOCKS = [block for block in read_blocks("docs/presets.md", "python") if not block.reason]


def test_the_table_of_presets_is_complete_and_counts_right() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (\d+(?:, \d+ cross)?) \|", PRESETS, re.MULTILINE))
    counted = {}
    for name in list_presets():
        expansion = expand(name, load_preset(name))
        cross = f", {len(expansion.cross)} cross" if expansion.cross else ""
        counted[name] = f"{len(expansion.experiments)}{cross}"
    assert rows == counted


def test_the_table_of_weights_is_complete() -> None:
    table = PRESETS.split("| backbone | where its weights come from |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| (`.*?) \|$", table, re.MULTILINE)
    listed = {(backbone, preset) for row in rows for backbone in named(row[0]) for preset in named(row[2])}
    needed = set()
    for preset in list_presets():
        for experiment in expand(preset, load_preset(preset)).experiments.values():
            if experiment["model"].get("weights") in ("imagenet", "faces"):
                needed.add((experiment["model"]["backbone"], preset))
    assert listed == needed
    packaged = {backbone for row in rows if "hub" not in row[1] for backbone in named(row[0])}
    packages = PACKAGES | FACES
    assert packaged == {backbone for backbone, _ in needed} & packages.keys()
    assert all(packages[backbone].weights.install in table for backbone in packaged)


def test_the_table_of_needs_is_what_the_presets_say() -> None:
    table = PRESETS.split("## What each needs")[1].split("\n\n")[1]
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*?) \| (.*?) \| (.*?) \|$", table, re.MULTILINE)
    expected = []
    for name in list_presets():
        needs = dict(text.split(": ", 1) for text in preset_needs(name, load_preset(name)))
        time = needs["trainings"].removesuffix(" on two cores")
        expected.append((name, needs.get("weights", "none"), needs.get("data", "your own pictures"), time))
    assert sorted(rows) == expected


def named(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


def test_every_grid_that_is_shown_works() -> None:
    typed = [command.text for block in read_blocks("docs/presets.md", "console") for command in read_commands(block)]
    commands = [shlex.split(text) for text in typed]
    shown = [words for words in commands if "--grid" in words]
    assert len(shown) == 4
    for words in shown:
        name = words[words.index("write") + 1]
        grid = parse_grid(words[i + 1] for i, word in enumerate(words) if word == "--grid")
        preset = load_preset(name)
        alone = replace_repeats(preset)
        assert len(expand(name, preset, grid).experiments) > len(expand(name, alone).experiments)


def replace_repeats(preset: Preset) -> Preset:
    """The preset without repeats of its own."""
    return preset.model_copy(update={"repeats": {}})


def test_the_searches_that_presets_suggest_work() -> None:
    for name in list_presets():
        preset = load_preset(name)
        for text in (*preset.notes, *filter(None, preset.comments.values())):
            for option in re.findall(r"--grid (\S+?)[.:;,]*(?=\s|$)", text):
                assert expand(name, preset, parse_grid([option])).experiments


def test_the_preset_of_a_labs_own_works(tmp_path: Path) -> None:
    (block,) = [block for block in read_blocks("docs/presets.md", "yaml") if block.file == "my.yaml"]
    path = tmp_path / "my.yaml"
    path.write_text(block.text)
    experiments = expand("my", load_preset(path)).experiments
    assert len(experiments) == 3 * (3 + 3)
    assert experiments["small-au-weight-4p0-seed-2"]["group"] == "small-au-weight-4p0"


def test_the_preset_without_another_one_needs_every_key_that_the_page_says(tmp_path: Path) -> None:
    (block,) = [block for block in read_blocks("docs/presets.md", "yaml") if block.file == "small.yaml"]
    path = tmp_path / "small.yaml"
    path.write_text(block.text)
    assert len(expand("small", load_preset(path)).experiments) == 4
    named = re.search(r"Without `extends` a preset needs (.*?);", PRESETS, re.DOTALL)
    assert named
    needed = re.findall("`([a-z]+)`", named[1])
    path.write_text("{}")
    with pytest.raises(ConfigProblemsError) as caught:
        load_preset(path)
    assert [line.split(": ")[1] for line in caught.value.lines] == needed


@pytest.mark.parametrize("names", [list_heads(), NETS.names(), list_cues(), list_losses()], ids=str)
def test_every_head_net_cue_and_loss_is_described(names: list[str]) -> None:
    rows = set(re.findall(r"`([a-z0-9_-]+)`", " ".join(re.findall(r"^\| ([^|]*) \|", METHODS, re.MULTILINE))))
    assert set(names) <= rows

"""Commands and settings within the sentences of a page exist, too."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer
import yaml

from fer_au.cli import app
from fer_au.config.data import AlignConfig, HeatmapsConfig, LandmarksConfig
from fer_au.config.experiments import EvaluateConfig, GuidanceConfig, TrainConfig
from fer_au.config.external import UNTRAINED
from tests.docs.blocks import PAGES, ROOT, read_blocks

SECTIONS = {
    "align": AlignConfig,
    "landmarks": LandmarksConfig,
    "heatmaps": HeatmapsConfig,
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
}


def inline_code(page: str) -> list[str]:
    """What stands between single backticks, fenced blocks left out."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for block in read_blocks(page):
        text = text.replace(block.text, "")
    return re.findall(r"(?<!`)`([^`]+)`(?!`)", text)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_a_sentence_exists(page: str) -> None:
    root = typer.main.get_command(app)
    for line in inline_code(page):
        words = shlex.split(line) if re.match("fer-au [a-z]", line) else []
        command: Any = root
        for word in words[1:]:
            if not hasattr(command, "commands"):
                break
            assert word in command.commands, line
            command = command.commands[word]
        options = {option for parameter in command.params for option in parameter.opts} if words else set()
        assert {word for word in words if word.startswith("-")} <= options, line


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_in_a_sentence_is_valid(page: str) -> None:
    for text in inline_code(page):
        match = re.fullmatch(rf"({'|'.join(SECTIONS)})((?:\.\w+)*): (.+)", text)
        if match and text != f"train: {UNTRAINED}":  # of an experiment
            value: Any = yaml.safe_load(match[3])
            for key in reversed(match[2].split(".")[1:]):
                value = {key: value}
            SECTIONS[match[1]].model_validate(value)
        elif text.startswith(("{cue:", "guidance: [")):
            terms = yaml.safe_load(text)
            for term in terms.get("guidance", [terms]):
                GuidanceConfig.model_validate(term)


def test_the_reader_finds_both() -> None:
    found = [text for page in PAGES for text in inline_code(page)]
    assert sum(text.startswith("fer-au ") for text in found) > 20
    assert sum(text.startswith("{cue:") for text in found) > 2
    assert sum(re.match(r"(train|heatmaps|evaluate)[.\w]*: ", text) is not None for text in found) > 3

"""What the README shows, and the tables of names that it links, must be so as they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
import typer
import yaml

from fer_au.batches.preprocess import Preprocessing
from fer_au.cli import app
from fer_au.config.data import AlignConfig, HeatmapsConfig, LandmarksConfig
from fer_au.config.experiments import ExperimentConfig, GuidanceConfig
from fer_au.config.reading import validate
from fer_au.cues import create_cue, list_cues
from fer_au.datasets import load_dataset_config
from fer_au.decoding import FORMATS, MAX_PIXELS
from fer_au.faces import list_detectors
from fer_au.faces.operation import AlignOperation
from fer_au.landmarks import EXTRACTORS, create_extractor, list_extractors
from fer_au.models import create_model, list_heads, save_model
from fer_au.models.nets.base import NETS
from fer_au.training import create_loss, list_losses

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: "-".join(block))
def test_every_yaml_example_is_valid(block: dict[str, dict[str, dict[str, object]]], tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(block))
    for name in block.get("datasets", {}):
        load_dataset_config(name, params)
    for name, data in block.get("experiments", {}).items():
        experiment = validate(ExperimentConfig, data, f"experiments.{name}", params)
        model = create_model(experiment.model, ["neutral", "happiness"], seed=0)
        for entry in experiment.guidance:
            create_cue(entry.cue)
            create_loss(entry.loss)
            model.resolve_layers(entry.layers)
    if "landmarks" in block:
        create_extractor(validate(LandmarksConfig, block["landmarks"], "landmarks", params).extractor)
    if "heatmaps" in block:
        validate(HeatmapsConfig, block["heatmaps"], "heatmaps", params)


def test_the_readme_names_the_two_commands_and_shows_a_picture_that_exists() -> None:
    assert "$ make repro" in README
    assert "$ make test" in README
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).stat().st_size <= 300_000


def test_stages_of_the_readme_are_those_of_the_pipeline() -> None:
    stages = set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    table = README.split("| stage |")[1].split("\n\n")[0]
    rows = set(re.findall(r"^\| `([a-z]+)(?:@NAME)?` \|", table, re.MULTILINE))
    assert stages - rows <= {"cross"}
    assert rows <= stages


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


def test_the_python_example_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    align = AlignConfig(detector="whole-image", keypoints="detector", template="none", size=96)
    preprocessing = Preprocessing(image_size=64).to_meta() | {"align": AlignOperation.of(align).attributes}
    model = create_model({"backbone": "test_resnet"}, ["happiness", "anger"], seed=0)
    save_model(tmp_path / "models/au", model, {"preprocessing": preprocessing})
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("me.jpg", np.full((96, 96, 3), 127, np.uint8))
    exec(compile(code, "README.md", "exec"), {})
    assert re.match(r"(happiness|anger) \{'happiness': .*\} \(1, 2, 2\)\n", capsys.readouterr().out)


def test_every_command_line_of_the_readme_exists() -> None:
    commands = typer.main.get_command(app)
    lines = re.findall(r"^\$ (fer-au [^#\n]+)", README, re.MULTILINE) + re.findall(r"`(fer-au [^`]+)`", README)
    assert len(lines) >= 5
    for line in lines:
        command: Any = commands
        words = shlex.split(line)[1:]
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options

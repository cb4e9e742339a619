"""What the README shows must work as it stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
import yaml

from fer_au.config.data import HeatmapsConfig, LandmarksConfig
from fer_au.config.experiments import ExperimentConfig, GuidanceConfig
from fer_au.config.reading import validate
from fer_au.cues import create_cue, list_cues
from fer_au.datasets import load_dataset_config
from fer_au.landmarks import create_extractor
from fer_au.models import create_model, list_heads
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
    ("part", "names"),
    [
        ("head", list_heads()),
        ("cue", list_cues()),
        ("loss", list_losses()),
        ("source", get_args(GuidanceConfig.model_fields["source"].annotation)),
    ],
)
def test_the_readme_lists_every_method(part: str, names: Sequence[str]) -> None:
    (row,) = re.findall(rf"^\| `{part}` \| (.*) \|$", README, re.MULTILINE)
    assert sorted(re.findall(r"`([^`]+)`", row)) == sorted(names)

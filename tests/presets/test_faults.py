"""Faults of a lab's own preset: all at once, and published numbers by the metrics' own keys and ranges."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from fer_au.config.published import read_published
from fer_au.errors import ConfigError, ConfigProblemsError
from fer_au.presets import load_preset, write_preset
from tests.docs.blocks import read_blocks


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, dict[str, object]]:
    (block,) = [block for block in read_blocks("docs/presets.md", "yaml") if block.file == "small.yaml"]
    return tmp_path / "small.yaml", yaml.safe_load(block.text)


WRONG = {
    "an unknown metric": ({"acuracy": 0.6}, "did you mean accuracy"),
    "per cent": ({"accuracy": 61}, "accuracy can be from 0 to 1, got 61; write 0.61"),
    "a cosine above 1": ({"att_cos": 1.2}, "att_cos can be from 0 to 1, got 1.2; write 0.012"),
    "a negative share": ({"cam_cos.native": -0.1}, "cam_cos.native can be from 0 to 1"),
    "a correlation below -1": ({"att_ccos": -1.5}, "att_ccos can be from -1 to 1"),
    "not a number": ({"accuracy": float("nan")}, "accuracy can be from 0 to 1"),
    "a negative count": ({"n": -3}, "n can be 0 or more"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_published_numbers_are_those_of_metrics(own: tuple[Path, dict[str, object]], kind: str) -> None:
    (path, content), (metrics, expected) = own, WRONG[kind]
    content["published"] = [{"row": "theirs", "experiment": "guided", "metrics": metrics}]
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(ConfigError) as caught:
        write_preset(str(path), path.with_name("params.yaml"))
    assert "published.0.metrics: " in str(caught.value)
    assert expected in str(caught.value)
    written = path.with_name("params.published.yaml")
    written.write_text(
        yaml.safe_dump({"preset": "small", "source": "ours", "rows": [{"row": "theirs", "metrics": metrics}]})
    )
    with pytest.raises(ConfigError, match=r"rows\.0\.metrics"):
        read_published(written)


def test_all_faults_of_a_preset_are_listed_at_once(own: tuple[Path, dict[str, object]]) -> None:
    path, content = own
    content |= {
        "datasets": {"demo": {"adapter": "demoo", "root": "x"}},
        "align": {"size": "a"},
        "train": {"epochs": -1},
        "defaults": {"dataset": "demo", "model": {"backbone": "test_resnet", "hed": "gap"}},
        "published": [{"row": "theirs", "experiment": "guidd"}],
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(ConfigProblemsError) as caught:
        write_preset(str(path), path.with_name("params.yaml"))
    keys = [line.removeprefix(f"preset {path}: ").split(": ")[0] for line in caught.value.lines]
    assert keys == [
        "align.size",
        "datasets.demo.adapter",
        "train.epochs",
        "experiments.plain.model.hed",
        "published.theirs",
    ]
    path.write_text(yaml.safe_dump({**content, "titel": 1, "source": 3, "extent": 2}, sort_keys=False))
    with pytest.raises(ConfigProblemsError) as caught:
        load_preset(path)
    assert len(caught.value.lines) == 3


@pytest.mark.parametrize("name", ["x; touch PWNED #", "$(touch PWNED)", "a b", "../x", "A", ""])
@pytest.mark.parametrize("section", ["datasets", "render", "experiments", "cross"])
def test_names_that_dvc_can_have_no_stage_of_are_never_written(
    own: tuple[Path, dict[str, object]], section: str, name: str
) -> None:
    path, content = own
    place = content.setdefault(section, {})
    assert isinstance(place, dict)
    place[name] = {"cross": {"experiment": "plain", "dataset": "demo"}}.get(section, {})
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(ConfigProblemsError, match=rf"(?m)^preset .*: {section}\.{re.escape(name)}: a name must match"):
        write_preset(str(path), path.with_name("params.yaml"))
    assert not path.with_name("params.yaml").exists()

"""What is to be done after a preset is written, and what it needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fer_au.config.model import NAMED_WEIGHTS
from fer_au.presets import list_presets, load_preset, write_preset
from fer_au.presets.needs import next_steps, preset_needs
from tests.presets.small import SMALL, written
from tests.presets.small import small as small
from tests.presets.test_presets import PROMISED


@pytest.mark.parametrize("name", list_presets())
def test_each_step_names_the_line_of_a_path_that_is_not_there(name: str, tmp_path: Path) -> None:
    path = write_preset(name, tmp_path / "params.yaml")[0]
    (tmp_path / "dvc.yaml").touch()
    *steps, last = next_steps(path)
    assert last == f"{len(steps) + 1}. run `dvc repro` in {tmp_path}"
    models = [entry["model"] for entry in written(path)["experiments"].values()]
    for choice, whose in (("faces", "face recognition's"), ("imagenet", "ImageNet's")):
        if backbones := {model["backbone"] for model in models if model.get("weights") == choice}:
            text = steps.pop()
            assert text.startswith(f"{len(steps) + 1}. see that {whose} weights of ")
            assert all(backbone in text for backbone in backbones)
    lines = path.read_text().splitlines()
    content = written(path)
    found = []
    for number, step in enumerate(steps, 1):
        where = rf"in line (\d+) of {re.escape(str(path))}"
        match = re.fullmatch(rf"{number}\. set the (root|weights) {where}: there is no (\S+)", step)
        assert match
        key, line, value = match.groups()
        assert re.search(rf"\b{key}: {re.escape(value)}(,|}}|$)", lines[int(line) - 1])
        found.append(value)
    roots = [entry["root"] for entry in content["datasets"].values()]
    files = [entry["model"].get("weights", "none") for entry in content["experiments"].values()]
    assert found == roots + [file for file in files if file not in NAMED_WEIGHTS]


def test_what_exists_needs_no_step(small: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    small.write_text(SMALL.replace("root: /path", "root: pictures"))
    (path, _) = write_preset(str(small), tmp_path / "params.mine.yaml")
    numbers = path.with_name("params.mine.published.yaml")
    assert next_steps(path) == [
        f"1. copy {path} to PROJECT/params.yaml and {numbers} to PROJECT/params.published.yaml "
        "(PROJECT is the folder of dvc.yaml)",
        "2. run `dvc repro` in PROJECT",
    ]


@pytest.mark.parametrize("here", [True, False])
def test_the_steps_are_true_for_a_file_beside_the_pipeline(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: bool
) -> None:
    project = tmp_path / "project"
    (project / "pictures").mkdir(parents=True)
    (project / "dvc.yaml").touch()
    monkeypatch.chdir(project if here else tmp_path)
    folder = Path() if here else Path("project")
    at = "" if here else " in project"
    small.write_text(SMALL.replace("root: /path", "root: pictures"))
    path, numbers = write_preset(str(small), folder / "params.mine.yaml")
    copies = f"1. copy {path} to {folder / 'params.yaml'} and {numbers} to {folder / 'params.published.yaml'}"
    assert next_steps(path) == [copies, f"2. run `dvc repro`{at}"]
    (project / "params.yaml").touch()
    replaced = " (it replaces the params.yaml there: keep a copy)"
    assert next_steps(path) == [f"{copies}{replaced}", f"2. run `dvc repro`{at}"]
    path, _ = write_preset(str(small), folder / "params.yaml", replace=True)
    assert next_steps(path) == [f"1. run `dvc repro`{at}"]


def test_a_root_below_the_home_folder_is_looked_up_there(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    small.write_text(SMALL.replace("root: /path", "root: ~/pictures"))
    path = write_preset(str(small), tmp_path / "params.yaml")[0]
    assert "there is no ~/pictures" in next_steps(path)[0]
    (tmp_path / "home/pictures").mkdir(parents=True)
    assert "there is no" not in " ".join(next_steps(path))


def test_the_needs_of_a_preset_are_weights_data_and_time(small: Path) -> None:
    assert preset_needs("small", load_preset(small)) == []
    needs = {name: " | ".join(preset_needs(name, load_preset(name))) for name in PROMISED}
    assert needs["lan-rafdb"].startswith(
        "weights: ImageNet's of resnet18; face recognition's of sface | data: RAF-DB on request from its authors | "
    )
    assert needs["best-faces"].startswith("weights: face recognition's of sface | trainings: ")
    assert needs["best-small"].startswith("weights: ImageNet's of mobilenetv2_100 | trainings: ")
    assert not any("weights" in text for name, text in needs.items() if name.startswith("gimefive"))
    for name, text in needs.items():  # a preset says where its data come from, unless they are the user's own
        assert ("data: " in text) == (not name.startswith(("best-", "first-", "guidance-")))

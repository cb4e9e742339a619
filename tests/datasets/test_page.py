"""The entries and claims of docs/datasets.md, tried on miniatures of the official layouts."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from fer_au.datasets import create_adapter
from fer_au.datasets.base import examine_dataset
from fer_au.datasets.recognition import fitting_adapters
from fer_au.datasets.stage import survey_dataset
from fer_au.presets import list_presets, load_preset
from fer_au.yaml_files import parse_yaml

PAGE = (Path(__file__).parents[2] / "docs/datasets.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([a-z0-9]+)` \|.*\| `(\{adapter: .*\})` \|$", PAGE, re.MULTILINE)
ENTRIES: dict[str, dict[str, Any]] = {name: parse_yaml(text, name) for name, text in ROWS}
MINIATURES = {path.stem for path in (Path(__file__).parent / "miniatures").glob("*.py")} - {"__init__", "noise"}
IN_PRESETS = [
    (preset, dataset)
    for preset in list_presets()
    for dataset, entry in load_preset(preset).datasets.items()
    if entry["adapter"] in MINIATURES
]


def take(name: str, entry: dict[str, Any], root: Path) -> None:
    """Write the miniature, and let ingest's survey take it by the entry."""
    import_module(f"tests.datasets.miniatures.{name}").write(root)
    config, faults = examine_dataset("x", {**entry, "root": str(root)})
    assert config is not None
    assert not faults
    survey = survey_dataset("x", config)
    survey.check_losses("x", config, "table")
    assert survey.rows


def test_every_miniature_has_its_entry_and_its_traps() -> None:
    assert set(ENTRIES) == MINIATURES
    assert all(entry["adapter"] == name for name, entry in ENTRIES.items())
    layouts = re.sub(r"^### As JSON$.*?(?=^## )", "", PAGE, flags=re.MULTILINE | re.DOTALL)  # its table is of keys
    assert set(re.findall(r"^\| `([a-z0-9]+)` \| (?!.*\{adapter)", layouts, re.MULTILINE)) == MINIATURES


@pytest.mark.parametrize("name", sorted(MINIATURES))
def test_an_entry_takes_the_official_layout(name: str, tmp_path: Path) -> None:
    take(name, ENTRIES[name], tmp_path / "set")
    recognised = name in fitting_adapters(tmp_path / "set")
    assert recognised == create_adapter(name).recognises(tmp_path / "set") == (name != "union")


@pytest.mark.parametrize(("preset", "dataset"), IN_PRESETS)
def test_a_preset_takes_the_official_layout(preset: str, dataset: str, tmp_path: Path) -> None:
    entry = load_preset(preset).datasets[dataset]
    take(entry["adapter"], entry, tmp_path / "set")


def test_presets_name_the_real_adapters() -> None:
    adapters = {dataset: load_preset(preset).datasets[dataset]["adapter"] for preset, dataset in IN_PRESETS}
    assert {"kdef": "kdef", "ckplus": "ckplus"}.items() <= adapters.items()

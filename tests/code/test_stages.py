"""What the hash of a stage covers beside code: settings that DVC's run cache overlooks."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import pytest
import yaml
from dvc.stage import cache
from dvc_data.hashfile.meta import Meta

from fer_au.code.stages import OVERLOOKED, stage_code
from fer_au.config.dataset_settings import STAGES as STAGES_OF_DATASETS
from tests.pipeline.conftest import ROOT, Project

STAGES = {
    name: stage.get("do", stage)
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items()
    if name != "stamp"
}
NAMES = {"train": "au", "evaluate": "au", "cross": "abroad", "report": None}
CROSS = {"abroad": {"experiment": "au", "dataset": "demo"}}


def taken(stage: str) -> list[str]:
    """The keys of params.yaml that a stage takes, by dvc.yaml."""
    name = NAMES.get(stage, "demo")
    return [key.replace("${key}", str(name)) for key in STAGES[stage]["params"] if isinstance(key, str)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("stages") / "project", runnable=False)


def code_of(project: Project, stage: str, changes: dict[str, Any]) -> str:
    params = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"cross": copy.deepcopy(CROSS)}
    for key, value in changes.items():
        *parents, last = key.split(".")
        place = params
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    path = project.folder / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    return stage_code(stage, NAMES.get(stage, "demo"), path)


@pytest.mark.parametrize("stage", STAGES)
def test_every_setting_that_the_run_cache_overlooks_counts(project: Project, stage: str) -> None:
    before = code_of(project, stage, {})
    for key in taken(stage):
        for name in OVERLOOKED:
            changed = {code_of(project, stage, {f"{key}.{place}": 7}) for place in (name, f"some.{name}")}
            assert len(changed | {before}) == 3, f"{key}.{name}"
        assert code_of(project, stage, {f"{key}.other": 7}) == before  # DVC compares it itself


@pytest.mark.parametrize("stage", STAGES_OF_DATASETS)
def test_all_settings_of_a_data_set_count_and_those_of_others_do_not(project: Project, stage: str) -> None:
    """The stage reads params.yaml, and DVC the stamp: a stage whose settings DVC has not seen must notice."""
    before = code_of(project, stage, {})
    entry, own = "datasets.demo", f"datasets.demo.{stage}"
    ours = {"ingest": [f"{entry}.seed"], "align": ["align.size", "align.context", f"{own}.size"]}
    for key in ours.get(stage, ["landmarks.max_reject_fraction", f"{own}.max_reject_fraction"]):
        assert code_of(project, stage, {key: 96}) != before, key
    foreign = {"ingest": [f"{entry}.align.size", "align.size"], "align": [f"{entry}.seed", f"{entry}.landmarks.x"]}
    for key in [*foreign.get(stage, [f"{entry}.align.size"]), "datasets.other.align.size"]:
        assert code_of(project, stage, {key: 96}) == before, key


@pytest.mark.parametrize("section", ["align", "landmarks"])
def test_a_key_that_a_data_set_overrides_does_not_count(project: Project, section: str) -> None:
    key = "max_reject_fraction"
    own = {f"datasets.demo.{section}.{key}": 0.5}
    assert code_of(project, section, own) == code_of(project, section, {**own, f"{section}.{key}": 0.6})


def test_a_size_of_another_section_does_not_count(project: Project) -> None:
    before = code_of(project, "landmarks", {})
    assert code_of(project, "landmarks", {"align.size": 7, "heatmaps.size": 7}) == before


@pytest.mark.parametrize("stage", ["evaluate", "cross"])
def test_the_geometry_counts_where_expressions_are_drawn_to_be_compared(project: Project, stage: str) -> None:
    assert code_of(project, stage, {}) != code_of(project, stage, {"heatmaps.geometry": "paper"})


def test_the_report_takes_the_whole_file(project: Project) -> None:
    assert taken("report") == []
    assert code_of(project, "report", {}) != code_of(project, "report", {"align.size": 7})


def test_published_numbers_decide_the_report_alone_and_may_be_absent(project: Project) -> None:
    before = {stage: code_of(project, stage, {}) for stage in STAGES}
    path = project.folder / "params.published.yaml"
    found = []
    for text in ("preset: a", "preset: b"):
        path.write_text(text)
        found.append({stage: code_of(project, stage, {}) for stage in STAGES})
    path.unlink()
    assert {stage: code_of(project, stage, {}) for stage in STAGES} == before
    assert len({one["report"] for one in (before, *found)}) == 3
    assert all({**one, "report": ""} == {**before, "report": ""} for one in found)


def test_these_keys_are_what_dvc_leaves_out() -> None:
    assert set(OVERLOOKED) == {Meta.PARAM_SIZE, Meta.PARAM_NFILES}
    assert "exclude=[Meta.PARAM_SIZE, Meta.PARAM_NFILES]" in inspect.getsource(cache._get_cache_hash)

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


def test_a_size_of_another_section_does_not_count(project: Project) -> None:
    before = code_of(project, "landmarks", {})
    assert code_of(project, "landmarks", {"align.size": 7, "heatmaps.size": 7}) == before


def test_the_report_takes_the_whole_file(project: Project) -> None:
    assert taken("report") == []
    assert code_of(project, "report", {}) != code_of(project, "report", {"align.size": 7})


def test_these_keys_are_what_dvc_leaves_out() -> None:
    assert set(OVERLOOKED) == {Meta.PARAM_SIZE, Meta.PARAM_NFILES}
    assert "exclude=[Meta.PARAM_SIZE, Meta.PARAM_NFILES]" in inspect.getsource(cache._get_cache_hash)

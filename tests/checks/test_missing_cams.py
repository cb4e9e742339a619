"""CAMs that some networks of a project can't have: said before anything runs, with the key and the remedy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.conftest import Check

VIT: dict[str, Any] = {"dataset": "mine", "base": "none", "model": {"backbone": "vit_tiny_patch16_224"}}
PRM: dict[str, Any] = {"dataset": "mine", "base": "none", "model": {"backbone": "test_resnet", "head": "prm"}}
SKIP = "; or write `evaluate.on_missing_cam: skip` to evaluate without it"
# CAM -> an experiment whose network has it; `plain` and `au`, of the good file, have not.
MIXED = {"rollout": VIT, "attention@2": VIT, "layercam@7": VIT, "prm_peak": PRM}


@pytest.mark.parametrize("cam", MIXED)
def test_a_mixed_project_is_refused_with_the_names_and_the_remedy(cam: str, check: Check) -> None:
    changes = {"evaluate.cams": ["native", cam], "experiments.other": MIXED[cam]}
    (line,) = [line for line in check(changes) if "evaluate.cams" in line]
    assert f"evaluate.cams: {cam}: " in line
    assert line.endswith(f"(plain, au){SKIP}")


@pytest.mark.parametrize("cam", MIXED)
def test_a_mixed_project_may_skip_them(cam: str, check: Check) -> None:
    assert (
        check({"evaluate.cams": ["native", cam], "evaluate.on_missing_cam": "skip", "experiments.o": MIXED[cam]}) == []
    )


@pytest.mark.parametrize("cam", MIXED)
def test_a_cam_that_no_network_has_is_a_mistake_in_any_case(cam: str, check: Check) -> None:
    for mode in ("skip", "fail"):
        (line,) = check({"evaluate.cams": ["native", cam], "evaluate.on_missing_cam": mode})
        assert f"evaluate.cams: {cam}: " in line
        assert "on_missing_cam" not in line


def test_a_network_that_is_wrong_itself_may_have_it(check: Check) -> None:
    """Nothing is said of all networks while one is unknown."""
    changes = {"evaluate.cams": ["prm_peak"], "evaluate.on_missing_cam": "skip", "experiments.other": PRM}
    changes["experiments.other.model.head"] = "prmm"
    lines = check(changes)
    assert len(lines) == 1
    assert "experiments.other.model.head" in lines[0]

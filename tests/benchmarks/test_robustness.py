from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import evaluate, robustness
from fer_au.evaluation.robustness import RobustnessRunner, count_disturbed


def test_a_small_set_is_disturbed_and_compared_with_bare_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(robustness, "DISTURBANCES", ("moved", "background_swapped"))
    seen, answers = [], RobustnessRunner.answers
    monkeypatch.setattr(RobustnessRunner, "answers", lambda self, names: seen.append(self) or answers(self, names))
    evaluate.make_project(7, 64)
    robustness.disturbed()
    # 7 images: clean, twice five strengths, and one control; the made-up classes have one face each.
    assert seen[0].progress.done == count_disturbed(7, ("moved", "background_swapped")) - 7 == 77
    assert robustness.seconds_per_pass(1) > 0

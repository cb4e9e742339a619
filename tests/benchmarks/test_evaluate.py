from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import evaluate


def test_the_made_up_set_is_evaluated_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    evaluate.make_project(14)
    evaluate.evaluate()
    evaluate.report()
    assert "true motion" in Path("report/index.html").read_text()

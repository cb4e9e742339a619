from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import report


def test_a_page_of_made_up_evaluations_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOWN", "7")
    report.make_project(14, 2)
    report.write()
    text = Path("report/index.html").read_text()
    assert "the page\nholds 7 of 14 test images" in text.replace(" page holds", " page\nholds")
    assert "gallery/made/made-1/cam/layercam" in text

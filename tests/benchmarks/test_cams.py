from __future__ import annotations

import sys

import pytest
import torch

from benchmarks import cams


def test_the_ways_are_timed_and_a_missing_peer_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(cams, "has_torchcam", lambda: False)
    monkeypatch.setattr(sys, "argv", ["cams", "--images", "2", "--batch", "2"])
    cams.main()
    said = capsys.readouterr().out
    assert "for the lines of torchcam: pip install --no-deps torchcam\n" in said
    assert "oneDNN at AVX2" in said
    assert all(f"\n{way} " in said for way in cams.ways())
    assert "forward passes (goal: at most 1.5)" in said

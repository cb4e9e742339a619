"""The benchmark of copies finds those that it makes."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.leaks import draw_looks, main
from fer_au.datasets.looks import find_alike


def test_the_copies_that_it_draws_are_the_pairs_that_are_found() -> None:
    pairs, left = find_alike(draw_looks(np.random.default_rng(1), 3000, 60))
    assert left == 0
    assert {(number, 2940 + number) for number in range(60)} <= set(map(tuple, pairs[:, :2].tolist()))


def test_it_says_machine_time_and_memory(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["leaks", "--pictures", "400", "--copies", "0.02"])
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    main()
    said = capsys.readouterr().out
    for words in ("OMP_NUM_THREADS", "find pairs among 400", "peak memory", "ms a pair", "16 pictures found"):
        assert words in said

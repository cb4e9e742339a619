from __future__ import annotations

import os

import pytest

from fer_au.command import set_waiting


@pytest.mark.parametrize(
    ("load", "turns", "milliseconds"), [(5.0, "100000", "3"), (8.0, "20000", "1"), (8.1, "0", "0"), (99.0, "0", "0")]
)
def test_threads_spin_for_a_shorter_time_the_more_programs_run(
    load: float, turns: str, milliseconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    environment: dict[str, str] = {}
    set_waiting(environment)
    assert environment == {"GOMP_SPINCOUNT": turns, "KMP_BLOCKTIME": milliseconds}


@pytest.mark.parametrize("own", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7", "KMP_BLOCKTIME": "200"}])
def test_what_the_user_says_about_waiting_stays(own: dict[str, str]) -> None:
    environment = dict(own)
    set_waiting(environment)
    assert environment == own

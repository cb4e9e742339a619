from __future__ import annotations

import os

import pytest

from fer_au.command import set_waiting


def test_threads_spin_for_a_while_and_not_at_all_on_a_crowded_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    for load, turns in ((8.0, "20000"), (8.1, "0")):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0), raising=False)
        environment: dict[str, str] = {}
        set_waiting(environment)
        assert environment == {"GOMP_SPINCOUNT": turns, "KMP_BLOCKTIME": "1" if load == 8 else "0"}


@pytest.mark.parametrize("own", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7", "KMP_BLOCKTIME": "200"}])
def test_what_the_user_says_about_waiting_stays(own: dict[str, str]) -> None:
    environment = dict(own)
    set_waiting(environment)
    assert environment == own

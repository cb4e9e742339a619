from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fer_au.speed import keep_freed_memory, set_waiting


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


_FAULTS = """
import os, resource
from fer_au.speed import keep_freed_memory
print(keep_freed_memory(os.environ))
block = 50_000_000
for round in range(12):
    if round == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _pages_fetched(**environment: str) -> tuple[bool, int]:
    """Take and free 50 MB ten times in a fresh process: whether the setting was made, and the pages fetched."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS], env=clean | environment, capture_output=True, text=True, check=True
    )
    made, pages = done.stdout.split()
    return made == "True", int(pages)


@pytest.mark.skipif(not keep_freed_memory({}), reason="another C library")
def test_freed_memory_is_used_again() -> None:
    pages = 50_000_000 // os.sysconf("SC_PAGE_SIZE")
    assert _pages_fetched() == (True, pytest.approx(0, abs=pages))
    made, fetched = _pages_fetched(MALLOC_TOP_PAD_="131072")
    assert not made, "what the user sets stays"
    assert fetched > 5 * pages, "without the setting every block is fetched anew"


@pytest.mark.parametrize("own", [{"MALLOC_ARENA_MAX": "2"}, {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=4096"}])
def test_what_the_user_says_about_memory_stays(own: dict[str, str]) -> None:
    assert not keep_freed_memory(own)


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "confstr", raising=False)
    assert not keep_freed_memory({})

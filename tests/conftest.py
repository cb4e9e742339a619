"""What holds for all tests."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from operator import attrgetter

import pytest
from hypothesis import HealthCheck, settings

from fer_au.speed import keep_freed_memory

# Of several processes that test at once, each computes in one thread, and so do those that its tests start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# How quickly examples are drawn and run says something about the machine alone.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
keep_freed_memory(os.environ)  # as stages do: a good part of the tests' time goes into networks


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Seed what a test draws at random without a generator of its own, so that the tests before it decide nothing."""
    random.seed(0)
    for module, seed in (("numpy", "random.seed"), ("torch", "random.manual_seed")):
        if module in sys.modules:  # else it begins with a seed of its own
            attrgetter(seed)(sys.modules[module])(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let several processes begin with the files that have slow tests: at the end, one would be at work alone."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _quiet_dvc() -> Iterator[None]:
    """Keep DVC from sending reports, by a process of its own beside each of its commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_NO_ANALYTICS", "1")
        yield

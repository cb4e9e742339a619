from __future__ import annotations

import os

import pytest

from fer_au.compute import batched, map_ordered, worker_count
from fer_au.errors import ConfigError, DataError, FerAuError


def double(value: int) -> int:
    return 2 * value


def fail_on_three(value: int) -> int:
    if value == 3:
        raise DataError("three.jpg: bad")
    return value


def die(value: int) -> int:
    if value == 2:
        os._exit(9)
    return value


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers: int) -> None:
    assert list(map_ordered(double, range(40), label="test", workers=workers)) == list(range(0, 80, 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_task_reaches_the_caller(workers: int) -> None:
    with pytest.raises(DataError, match=r"three\.jpg: bad"):
        list(map_ordered(fail_on_three, range(9), label="test", workers=workers))


def test_a_dead_worker_is_one_clear_line() -> None:
    with pytest.raises(FerAuError, match="worker process died"):
        list(map_ordered(die, range(9), label="test", workers=2))


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_bad_worker_count_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_WORKERS", text)
    with pytest.raises(ConfigError, match="FER_AU_WORKERS"):
        worker_count()


def test_the_environment_sets_the_worker_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_WORKERS", "3")
    assert worker_count() == 3
    monkeypatch.delenv("FER_AU_WORKERS")
    assert worker_count() >= 1


def test_batches_keep_every_item() -> None:
    assert [list(batch) for batch in batched(range(5), 2)] == [[0, 1], [2, 3], [4]]


def test_nothing_to_do_is_nothing() -> None:
    assert list(map_ordered(double, [], label="test")) == []

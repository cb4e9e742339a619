"""Wrong environment variables are told before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_au.checks import check_params

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("FER_AU_WORKERS", "abc", "FER_AU_WORKERS must be a positive integer, not 'abc'"),
        ("FER_AU_IMAGE_CACHE_MB", "2GB", "FER_AU_IMAGE_CACHE_MB must be a whole number of megabytes, not '2GB'"),
    ],
)
def test_a_number_that_a_later_stage_refuses_is_told_at_once(
    variable: str, value: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    before = check_params()
    monkeypatch.setenv(variable, value)
    assert check_params() == [*before, line]

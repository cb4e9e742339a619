from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.cli import entry

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs ``fer-au`` in an empty folder; gives exit code, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FER_AU_DEBUG", "0")  # the option --debug sets it

    def run(*arguments: str) -> tuple[int, str, str]:
        code = entry.run(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run

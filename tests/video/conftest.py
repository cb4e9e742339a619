from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fer_au.atomic import write_atomically
from fer_au.cli import entry
from fer_au.faces import Aligner
from fer_au.video.timeline import Timeline
from tests.use.conftest import write_model
from tests.video.clips import find_squares

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "m")


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs ``fer-au video`` in an empty folder, where squares are faces; gives exit code, output and messages.

    The timeline takes longer than all else and is drawn by the tests of it alone.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Aligner, "all", find_squares)
    monkeypatch.setattr(Timeline, "draw", lambda self, path, title: write_atomically(path, b"drawn"))
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    monkeypatch.setenv("FER_AU_DEBUG", "0")
    monkeypatch.setenv("FER_AU_LOCKS", str(tmp_path / "locks"))

    def run(*arguments: object) -> tuple[int, str, str]:
        code = entry.run(["video", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run

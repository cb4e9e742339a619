from __future__ import annotations

import pytest

from fer_au.command import stage_main
from fer_au.ending import run_main
from fer_au.errors import ConfigError


def fail() -> None:
    raise ConfigError("params.yaml: align.size:\n  too small")


def test_an_error_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(fail) == 2
    assert capsys.readouterr().err == "error: params.yaml: align.size: too small\n"


def test_debug_shows_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_DEBUG", "1")
    with pytest.raises(ConfigError):
        run_main(fail)


def test_success_is_exit_code_0() -> None:
    assert run_main(lambda: None) == 0


def test_ctrl_c_is_exit_code_130(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert run_main(interrupted) == 130
    assert capsys.readouterr().err == "interrupted: no file is left half written\n"


def test_a_stage_with_the_wrong_number_of_names_says_how_to_call_it(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[str] = []

    def stage(name: str) -> None:
        calls.append(name)

    assert stage_main(stage, "python stages/x.py NAME", []) == 2
    assert "stages/x.py NAME" in capsys.readouterr().err
    assert stage_main(stage, "", ["demo"]) == 0
    assert calls == ["demo"]

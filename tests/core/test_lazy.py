"""Lazy exports: a name's module is loaded when it is first asked for, while the collector of cycles rests."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from fer_au._lazy import lazy_exports


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Gives the loader of a package with two modules, of which one is broken."""
    package = f"lazy_{tmp_path.name}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    (tmp_path / package / "sound.py").write_text("import gc\ncollected = gc.isenabled()\n")
    (tmp_path / package / "broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield lazy_exports(package, {"collected": ".sound", "nothing": ".broken"})[0]
    for name in [name for name in sys.modules if name.startswith(package)]:
        del sys.modules[name]


def test_the_collector_rests_while_a_module_loads_and_goes_on_after_it(load) -> None:
    assert load("collected") is False
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        load("nothing")
    assert gc.isenabled()


def test_a_collector_that_the_program_has_switched_off_stays_off(load) -> None:
    gc.disable()
    try:
        assert load("collected") is False
        assert not gc.isenabled()
    finally:
        gc.enable()

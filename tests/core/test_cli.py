from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_au import cli
from fer_au.stores import encode_ids, write_store

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FER_AU_WORKERS", "1")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["fer-au", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return run


def write_heatmaps() -> None:
    columns = {"id": encode_ids(["a"]), "map": np.ones((1, 28, 28), np.uint8), "valid": np.ones(1, bool)}
    write_store(Path("heatmaps.h5"), "heatmaps", columns, fingerprint="0" * 64, attributes={"codebook": "mine"})


def test_verify_says_ok_or_names_the_fault(call: Call) -> None:
    write_heatmaps()
    assert call("verify", "heatmaps.h5")[:2] == (0, "heatmaps.h5: ok\n")
    data = bytearray(Path("heatmaps.h5").read_bytes())
    data[data.index(b"\1" * 784)] ^= 1
    Path("heatmaps.h5").write_bytes(data)
    code, out, err = call("verify", "heatmaps.h5")
    assert code == 2
    assert "rows 0..0 are damaged" in out
    assert err == "error: 2 fault(s) found\n"


def test_store_info_shows_what_decided_a_store(call: Call) -> None:
    write_heatmaps()
    code, out, _ = call("store", "info", "heatmaps.h5")
    assert code == 0
    assert "fer_au.heatmaps/1, 1 rows" in out
    assert "attribute codebook = mine" in out
    assert "column map uint8 (1, 28, 28)" in out


def test_cache_info_names_the_folder(call: Call, tmp_path: Path) -> None:
    assert call("cache", "info")[:2] == (0, f"{tmp_path / 'cache'}: 0 operation(s), 0 finished or begun, 0.0 MB\n")


def test_check_data_reports_a_folder_and_writes_nothing(call: Call, tmp_path: Path) -> None:
    for label in ("happy", "sad"):
        (tmp_path / "faces" / label).mkdir(parents=True)
        for index in range(6):
            picture = np.random.default_rng(index).integers(0, 255, (40, 40, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "faces" / label / f"{label}{index}.png"), picture)
    code, _, err = call("check-data", "folder", "faces", "--set", "test_fraction=0.5")
    assert code == 0, err
    assert "happiness" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check-data", "foldr", "x"), "did you mean folder?"),
        (("check-data", "folder", "x"), "x"),
        (("check-data", "folder", "x", "--set", "seed"), "expected KEY=VALUE"),
        (("check-data", "folder", "x", "--set", "sed=1"), "sed: unknown key; did you mean seed?"),
        (("store", "info", "none.h5"), "none.h5: No such file"),
        (("verify", "--nope"), "No such option"),
        (("blub",), "blub"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(call: Call, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = call(*arguments)
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_help_is_exit_code_0(call: Call) -> None:
    code, out, _ = call("--help")
    assert code == 0
    assert "check-data" in out


def test_another_packages_checkout_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "fer_au").mkdir()
    code, out, said = call("presets", "list")
    assert (code, out) == (2, "")
    assert said.count("\n") == 1
    assert f"this project is {tmp_path}" in said

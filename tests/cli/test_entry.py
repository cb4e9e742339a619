from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli.conftest import Call


def test_cache_info_names_the_folder(call: Call, tmp_path: Path) -> None:
    assert call("cache", "info")[:2] == (0, f"{tmp_path / 'cache'}: 0 operation(s), 0 finished or begun, 0.0 MB\n")


def test_check_data_reports_a_folder_and_writes_nothing(call: Call, tmp_path: Path) -> None:
    for label in ("happy", "sad"):
        (tmp_path / "faces" / label).mkdir(parents=True)
        for index in range(6):
            picture = np.random.default_rng(index).integers(0, 255, (40, 40, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "faces" / label / f"{label}{index}.png"), picture)
    code, out, err = call("check-data", "folder", "faces", "--set", "test_fraction=0.5")
    assert code == 0, err
    assert [line.split() for line in out.splitlines()] == [
        ["faces", "train", "valid", "test", "all"],
        ["happiness", "2", "1", "3", "6"],
        ["sadness", "2", "1", "3", "6"],
        ["all", "4", "2", "6", "12"],
        ["rejected:", "none"],
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces"]


def test_check_data_names_what_it_refuses_and_no_file_that_is_gone(call: Call, tmp_path: Path) -> None:
    for label in ("happy", "Freude"):
        (tmp_path / "faces" / label).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / f"faces/{label}/1.png"), np.zeros((40, 40, 3), np.uint8))
    (tmp_path / "faces/happy/broken.jpg").write_text("no picture")
    code, out, err = call("check-data", "folder", "faces")
    assert code == 2
    assert err.splitlines()[-1] == (
        "error: faces: 2 of 3 items rejected (66.7%, max_reject_fraction is 5.0%): 1 not_an_image, 1 unknown_label; "
        "see the lines above"
    )
    assert out.splitlines()[-3:] == [
        "rejected: 1 not_an_image: happy/broken.jpg",
        "rejected: 1 unknown_label: Freude (1); say what they mean, `label_map: {Freude: EXPRESSION}` "
        "(null leaves a label out)",
        "split test is empty: evaluate scores its faces; set test_fraction, such as 0.2",
    ]
    arguments = ("--set", "label_map={Freude: joy}", "--set", "max_reject_fraction=0.5", "--set", "test_fraction=0.3")
    code, out, err = call("check-data", "folder", "faces", *arguments)
    assert code == 0, err
    assert "rejected: 1 not_an_image: happy/broken.jpg" in out.splitlines()


def test_check_data_takes_the_home_folder(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home/faces/happy").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "home/faces/happy/1.png"), np.zeros((40, 40, 3), np.uint8))
    code, out, err = call("check-data", "folder", "~/faces")
    assert code == 0, err
    assert "happiness" in out
    assert call("presets", "write", "best-small", "--output=~/best.yaml")[0] == 0
    assert (tmp_path / "home/best.yaml").is_file()
    code, _, err = call("check-data", "folder", "~nobody-of-that-name/faces")
    assert (code, err) == (2, "error: ~nobody-of-that-name is no home folder\n")


def test_the_cache_may_lie_in_the_home_folder(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FER_AU_CACHE", "~/place")
    assert call("cache", "info")[1].startswith(str(tmp_path / "home/place"))
    monkeypatch.setenv("FER_AU_CACHE", "~nobody-of-that-name")
    assert call("cache", "info")[2] == "error: FER_AU_CACHE: ~nobody-of-that-name is no home folder\n"


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


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("results", "--latex", "--group"), "error: --latex needs a value, and --group follows"),
        (("results", "--sort", "--csv", "x.csv"), "error: --sort needs a value, and --csv follows"),
        (("store", "export", "a.h5", "--output", "--maps"), "error: --output needs a value, and --maps follows"),
        (("store", "export", "a.h5", "-o", "--maps"), "error: -o needs a value, and --maps follows"),
        (("cache", "prune", "--older-than", "--dry-run"), "error: --older-than needs a value, and --dry-run follows"),
    ],
)
def test_an_option_does_not_take_the_next_one_for_its_value(
    call: Call, tmp_path: Path, words: tuple[str, ...], line: str
) -> None:
    assert call(*words) == (2, "", f"{line}\n")
    assert list(tmp_path.iterdir()) == []
